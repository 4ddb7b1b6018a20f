"""Three nodes on one database and one Redis: races between them, the clock, and how many readers there are."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import httpx2
import orjson
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from websockets.asyncio.client import connect

from liveserver.client import Client
from liveserver.domain.change import Position
from liveserver.domain.ids import now
from tests.acceptance.proxy import Proxy
from tests.acceptance.reading import settles
from tests.acceptance.serving import ForkedServer, LiveServer, eventually, started
from tests.acceptance.test_slow import sockets_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from websockets.asyncio.client import ClientConnection

    from tests.support.services import PostgresServer, RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLL = 60.0
"""Seconds: what arrives sooner came over the bus."""
AT_ONCE = 5.0
RIGHT_WITHIN = 10.0
"""Seconds within which the number of readers is right everywhere."""


class Cluster(NamedTuple):
    """Nodes that share everything, with a key for all of them."""

    nodes: list[LiveServer]
    key: str
    database_url: str

    @asynccontextmanager
    async def clients(self, **headers: str) -> AsyncIterator[list[httpx2.AsyncClient]]:
        """An editor at each node."""
        given = {"Authorization": f"Bearer {self.key}", **headers}
        limits = httpx2.Limits(max_connections=None)
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(
                    httpx2.AsyncClient(base_url=node.api, headers=given, timeout=20, limits=limits)
                )
                for node in self.nodes
            ]

    async def open_liveblog(self) -> str:
        """A new live blog; its slug."""
        slug = f"direct-{uuid4().hex[:8]}"
        async with Client(self.nodes[0].url, self.key) as client:
            await client.create_liveblog(
                {"slug": slug, "title": "Le direct", "language": "fr", "timezone": "Europe/Paris"}
            )
        return slug


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["postgresql", "sqlite"])
async def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer
) -> AsyncIterator[Cluster]:
    """Three nodes on PostgreSQL; and on one host they may share an SQLite file."""
    directory = tmp_path_factory.mktemp("cluster")
    url = f"sqlite:///{directory}/live.db"
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.url(server.create_database(template=request.getfixturevalue("postgres_template")))
    shared = {
        "public_url": "https://live.example.org",
        "database_url": url,
        "redis_url": redis_server.url,
        "redis_prefix": f"test-{directory.name}",
        "poll": str(POLL),
        "heartbeat": "1",
    }
    nodes: list[LiveServer] = [ForkedServer(directory / str(number), **shared) for number in range(3)]
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(started(node)) for node in nodes))
        yield Cluster(nodes, await nodes[0].key(), url)


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(running: Cluster) -> Cluster:
    """All of its nodes run."""
    await asyncio.gather(*(node.start() for node in running.nodes if not node.running))
    return running


async def test_a_hundred_racing_duplicates_make_one_entry(cluster: Cluster) -> None:
    """Over three nodes, with one key: one publishes, and all are answered with the entry."""
    slug = await cluster.open_liveblog()
    async with cluster.clients(**{"Idempotency-Key": "une-fois"}) as editors:
        posts = [
            editors[number % 3].post(f"/liveblogs/{slug}/entries", json={"body": "<p>Une fois</p>"})
            for number in range(100)
        ]
        answers = await asyncio.gather(*posts)
        assert [answer.status_code for answer in answers] == [201] * 100
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        for editor in editors:
            snapshot = (await editor.get(f"/liveblogs/{slug}/snapshot")).json()
            assert (snapshot["seq"], len(snapshot["entries"])) == (1, 1)

        other = await editors[1].post(f"/liveblogs/{slug}/entries", json={"body": "<p>Autre chose</p>"})
        assert other.status_code == 422
        assert other.json()["type"] == "urn:liveserver:problem:idempotency-key-reused"
        again = await editors[2].post(f"/liveblogs/{slug}/entries", json={"body": "<p>Une fois</p>"})
        assert (again.status_code, again.json()) == (201, answers[0].json())


async def test_two_edits_on_one_version(cluster: Cluster) -> None:
    """One is taken; the other is refused, and shown what is there now."""
    slug = await cluster.open_liveblog()
    async with cluster.clients() as editors:
        entry = (await editors[0].post(f"/liveblogs/{slug}/entries", json={"body": "<p>Texte</p>"})).json()
        path = f"/liveblogs/{slug}/entries/{entry['id']}"
        for version in range(1, 11):
            headers = {"If-Match": f'"{version}"'}
            answers = await asyncio.gather(
                *(
                    editors[(version + number) % 3].patch(
                        path, json={"heading": f"Titre {version}.{number}"}, headers=headers
                    )
                    for number in range(2)
                )
            )
            taken, refused = sorted(answers, key=lambda answer: answer.status_code)
            assert (taken.status_code, refused.status_code) == (200, 412)
            assert refused.json()["current"] == taken.json()
            assert refused.headers["etag"] == taken.headers["etag"]
        assert (await editors[0].get(f"/liveblogs/{slug}")).status_code == 200
        assert (await editors[1].get(f"/liveblogs/{slug}/snapshot")).json()["seq"] == 11


async def test_a_retry_after_a_lost_answer(cluster: Cluster) -> None:
    """The node is killed between the commit and the answer; another one knows what became of the request."""
    slug = await cluster.open_liveblog()
    doomed, other = cluster.nodes[0], cluster.nodes[1]
    request: dict[str, Any] = {
        "json": {"body": "<p>Rien qu’une fois</p>"},
        "headers": {"Authorization": f"Bearer {cluster.key}", "Idempotency-Key": f"perdue-{slug}"},
    }
    async with Proxy(doomed.port) as way, httpx2.AsyncClient(timeout=20) as http, Client(other.url) as reader:
        start = await _position(reader, slug)
        way.answers.clear()
        lost = asyncio.create_task(http.post(f"{way.url}/api/v1/liveblogs/{slug}/entries", **request))
        async with aclosing(reader.follow(slug, start)) as stream:
            published = await asyncio.wait_for(anext(stream), 2 * AT_ONCE)
        await doomed.kill()
        way.cut()
        with pytest.raises(httpx2.TransportError):
            await lost
        again = await http.post(f"{other.api}/liveblogs/{slug}/entries", **request)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
        assert again.json() == published["entry"]
        assert (await _position(reader, slug)).seq == 1


@pytest.mark.parametrize("running", ["postgresql"], indirect=True)
async def test_a_client_that_leaves_while_it_is_committed_has_published(cluster: Cluster) -> None:
    """The client is gone before the answer: readers on every node get the entry at once all the same."""
    slug = await cluster.open_liveblog()
    engine = create_async_engine(cluster.database_url.replace("postgresql:", "postgresql+asyncpg:"))
    body = b'{"body": "<p>Parti trop vite</p>"}'
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        streams = []
        for node in cluster.nodes:
            reader = await stack.enter_async_context(Client(node.url))
            following = reader.follow(slug, await _position(reader, slug))
            streams.append(await stack.enter_async_context(aclosing(following)))
        waiting = [asyncio.create_task(anext(stream)) for stream in streams]

        async with engine.begin() as lock:
            await lock.execute(text("SELECT 1 FROM liveblogs WHERE slug = :slug FOR UPDATE"), {"slug": slug})
            _, writer = await asyncio.open_connection("127.0.0.1", cluster.nodes[0].port)
            writer.write(
                f"POST /api/v1/liveblogs/{slug}/entries HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {cluster.key}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await settles(partial(_locked_out, engine), True, seconds=AT_ONCE)
            here, there = writer.get_extra_info("sockname")[1], cluster.nodes[0].port
            assert sockets_to(there, peer=here) == 1
            writer.transport.abort()
            await eventually(lambda: sockets_to(there, peer=here) == 0, what="the end of the connection")
        for message in await asyncio.wait_for(asyncio.gather(*waiting), AT_ONCE):
            assert message["entry"]["body"] == "<p>Parti trop vite</p>"


async def _locked_out(engine: Any) -> bool:
    """Whether somebody waits for a lock in this database."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with engine.connect() as connection:
        return bool((await connection.execute(text(query))).scalar_one())


async def test_scheduled_entries_are_published_once_and_in_time(cluster: Cluster) -> None:
    """By whichever node comes first, within a second; also when nodes are killed as the time comes."""
    slug = await cluster.open_liveblog()
    first, _, last = cluster.nodes
    async with cluster.clients() as editors, Client(last.url) as reader:
        due = [now() + timedelta(seconds=2 + 0.15 * number) for number in range(12)]
        for number, time in enumerate(due):
            entry = {"body": f"<p>Prévu {number}</p>", "publish_at": time.isoformat()}
            answer = await editors[number % 3].post(f"/liveblogs/{slug}/entries", json=entry)
            assert answer.json()["status"] == "scheduled", answer.text
        arrived: list[tuple[str, float]] = []
        async with aclosing(reader.follow(slug, await _position(reader, slug))) as stream:
            killing = asyncio.create_task(_kill_at(first, due[5]))
            async with asyncio.timeout(30):
                async for message in stream:
                    late = now() - due[len(arrived)]
                    arrived.append((message["entry"]["body"], late.total_seconds()))
                    if len(arrived) == len(due):
                        break
        await killing
        assert [body for body, _ in arrived] == [f"<p>Prévu {number}</p>" for number in range(len(due))]
        assert all(0 <= late < 1 for _, late in arrived), arrived
        snapshot = await reader.snapshot(slug)
        assert (snapshot["seq"], len(snapshot["entries"])) == (len(due), len(due))
        for entry in snapshot["entries"]:
            path = f"/liveblogs/{slug}/entries/{entry['id']}/revisions"
            actions = [revision["action"] for revision in (await editors[1].get(path)).json()["items"]]
            assert actions == ["created", "published"]


async def _kill_at(node: LiveServer, time: Any) -> None:
    await asyncio.sleep((time - now()).total_seconds())
    await node.kill()


@pytest.mark.parametrize("running", ["postgresql"], indirect=True)
async def test_the_number_of_readers_is_that_of_all_nodes(cluster: Cluster) -> None:
    """In heartbeats and in the metrics, within ten seconds; also after a node was killed. Redis alone carries it."""
    slug = await cluster.open_liveblog()
    here, there, doomed = cluster.nodes
    async with AsyncExitStack() as stack:

        async def join(node: LiveServer) -> ClientConnection:
            url = f"{node.api.replace('http', 'ws')}/liveblogs/{slug}/ws"
            # Heartbeats that nobody reads must not keep the end from being seen.
            return await stack.enter_async_context(connect(url, max_queue=None))

        viewers = {
            node.port: [await join(node) for _ in range(count)]
            for node, count in zip(cluster.nodes, (3, 2, 4), strict=True)
        }
        for node in cluster.nodes:
            assert await _told(viewers[node.port][0], 9)
            await settles(partial(_counted, node, slug), (len(viewers[node.port]), 9), seconds=RIGHT_WITHIN)
        await viewers[there.port].pop().close()
        assert await _told(viewers[here.port][0], 8)
        await doomed.kill()
        for node in (here, there):
            assert await _told(viewers[node.port][0], 4)
        await doomed.start()
        again = await join(doomed)
        assert await _told(again, 5)
        assert await _told(viewers[here.port][0], 5)


async def _told(viewer: ClientConnection, count: int) -> bool:
    """Whether a heartbeat tells of so many readers in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(RIGHT_WITHIN):
            while orjson.loads(await viewer.recv()).get("viewers") != count:
                pass
            return True
    return False


async def _counted(node: LiveServer, slug: str) -> tuple[int, int]:
    """The readers of a live blog at this node and everywhere, as its metrics have it."""
    async with httpx2.AsyncClient() as http:
        families = text_string_to_metric_families((await http.get(f"{node.url}/metrics")).text)
    found = {
        sample.name: sample.value
        for family in families
        for sample in family.samples
        if sample.labels.get("liveblog") == slug
    }
    return int(found["liveserver_viewers"]), int(found["liveserver_viewers_everywhere"])


async def _position(reader: Client, slug: str) -> Position:
    snapshot = await reader.snapshot(slug)
    return Position(snapshot["epoch"], snapshot["seq"])
