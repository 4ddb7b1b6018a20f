"""Two nodes behind nginx with the file that is shipped: what one client asks for costs no other its answer."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, closing
from typing import TYPE_CHECKING, NamedTuple

import httpx2
import pytest
import pytest_asyncio
from starlette.routing import Mount, Route, WebSocketRoute

from liveserver.client import Client
from liveserver.server.app import create_app
from liveserver.server.protocols.framing import TARGET_MAX
from liveserver.settings import Settings
from liveserver.store import Store
from tests.acceptance.serving import ForkedServer, LiveServer, started
from tests.project.test_deploy import nginx
from tests.support.desk_streams import desk_stream, signed_in
from tests.support.images import noise, saved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator
    from pathlib import Path

    from starlette.routing import BaseRoute

    from tests.support.services import RedisServer

SLUG = "marees"
AT_ONCE = 16
"""Requests under way at the same time."""
LONG = [f"X-Long-{number}: {'x' * 7_000}" for number in range(4)]
"""Headers that nginx lets pass, with room for those that it adds itself."""
HANDSHAKE = [
    *("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]
NGINX_DEFAULT = 4_096
"""Bytes of an answer's head that nginx, with nothing set, and other proxies take."""
ENDLESS = ("/ws", "/events")
PUBLIC = "http://live.example.org"
MEGABYTE = 1 << 20


class Asked(NamedTuple):
    """A request."""

    method: str
    target: str
    headers: tuple[str, ...] = ()


def flat(routes: Iterable[BaseRoute], before: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Every route's path and methods."""
    for route in routes:
        match route:
            case Mount():
                yield from flat(route.routes, before + route.path)
                if not route.routes:
                    yield before + route.path + "/{path}", frozenset({"GET"})
            case Route():
                yield before + route.path, frozenset(route.methods or {"GET"})
            case WebSocketRoute():
                yield before + route.path, frozenset({"WEBSOCKET"})


def longest(path: str, entry: str, key: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Targets of a route as long as they may be, with headers."""
    names = [part.split("}")[0].partition(":")[0] for part in path.split("{")[1:]]
    known = {"slug": SLUG, "id": entry}

    def filled(values: dict[str, str]) -> str:
        parts = [part.partition("}") for part in path.split("{")]
        first, *rest = parts
        return first[0] + "".join(values[name] + after for name, (_, _, after) in zip(names, rest, strict=True))

    there = filled({name: known.get(name, "x") for name in names})
    for fill in ("a", "%FF"):
        # Characters that aren't ASCII, written out again, take three times as much.
        for name in names:
            room = TARGET_MAX - 1 - len(filled({**dict.fromkeys(names, "x"), **known, name: ""}))
            there_not = filled({**dict.fromkeys(names, "x"), **known, name: fill * (room // len(fill))})
            yield from ((there_not + end, ()) for end in ("", "/"))
        for query in ("?limit=1&format=json&after=x-1&x=", "?verification="):
            room = TARGET_MAX - len(there) - len(query)
            yield there + query + fill * (room // len(fill)), (f"Authorization: Bearer {key}",)
    yield there, tuple(LONG)


class Site(NamedTuple):
    """Two nodes, and where nginx stands before them."""

    nodes: list[LiveServer]
    port: int
    entry: str
    key: str


@pytest_asyncio.fixture
async def site(tmp_path: Path, redis_server: RedisServer) -> AsyncIterator[Site]:
    """Two nodes on one database with a live blog of three entries."""
    shared = {
        "database_url": f"sqlite:///{tmp_path}/live.db",
        "redis_url": redis_server.url,
        "redis_prefix": f"nginx-{tmp_path.name}",
        "forwarded_allow_ips": "127.0.0.1",
        "public_url": PUBLIC,
    }
    nodes: list[LiveServer] = [ForkedServer(tmp_path / str(number), **shared) for number in range(2)]
    (tmp_path / "nginx").mkdir()
    async with AsyncExitStack() as stack:
        for node in nodes:
            await stack.enter_async_context(started(node))
        key = await nodes[0].key()
        async with Client(nodes[0].url, key) as client:
            await client.create_liveblog(
                {"slug": SLUG, "title": "Les marées", "language": "fr", "timezone": "Europe/Paris"}
            )
            entries = [await client.publish(SLUG, {"body": f"<p>{number}</p>", "tags": ["é"]}) for number in range(3)]
        port = await stack.enter_async_context(nginx(tmp_path / "nginx", [node.port for node in nodes]))
        yield Site(nodes, port, entries[0]["id"], key)


async def head_of(port: int, asked: Asked) -> bytes:
    """The head of the answer; the connection ends with it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    method, more = ("GET", HANDSHAKE) if asked.method == "WEBSOCKET" else (asked.method, ["Connection: close"])
    if method not in {"GET", "HEAD", "DELETE"}:
        more = [*more, "Content-Length: 0"]
    with closing(writer):
        lines = [f"{method} {asked.target} HTTP/1.1", "Host: live.example.org", *more, *asked.headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        return await reader.readuntil(b"\r\n\r\n")


@pytest.mark.timeout(240)
async def test_the_longest_requests_of_every_route_cost_no_other_reader_an_answer(site: Site) -> None:
    """By path, by query and by header; whatever it is answered, the other is always answered 200."""
    routes = create_app(Settings(_env_file=None)).routes  # type: ignore[call-arg]
    asked = [
        # Without a key nothing is changed.
        Asked(method, target, headers if method in {"GET", "WEBSOCKET"} else ())
        for path, methods in flat(routes)
        for method in sorted(methods - {"HEAD"})
        for target, headers in longest(path, site.entry, site.key)
    ]
    assert len({one.target.split("?")[0] for one in asked}) > 100
    assert max(len(one.target) for one in asked) == TARGET_MAX
    waiting = iter(asked)
    answered = 0
    bad: list[tuple[Asked, bytes]] = []

    async def ask() -> None:
        for one in waiting:
            head = await head_of(site.port, one)
            status = int(head.split(b" ", 2)[1])
            if status >= 500 or len(head) > NGINX_DEFAULT:
                bad.append((one, head))

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{site.port}", timeout=20) as reader:
        asking = [asyncio.create_task(ask()) for _ in range(AT_ONCE)]
        while not all(task.done() for task in asking):
            response = await reader.get(f"/live/{SLUG}")
            assert response.status_code == 200, response.text
            answered += 1
        await asyncio.gather(*asking)
    assert answered > 10
    assert not bad, [(one.method, one.target[:80], head[:200]) for one, head in bad[:5]]
    for node in site.nodes:
        assert node.running


async def test_an_editor_sends_a_large_picture_and_reads_the_desk_stream(site: Site, tmp_path: Path) -> None:
    """By the session's cookie, through nginx, as pages of the desk do."""
    store = await Store.open(f"sqlite:///{tmp_path}/live.db")
    editor = await signed_in(store, "Ada")
    await store.close()
    picture = saved(noise(1_400, 1_000))
    assert len(picture) > MEGABYTE
    async with (
        desk_stream(f"ws://127.0.0.1:{site.port}", editor, SLUG, origin=PUBLIC) as stream,
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{site.port}", headers=editor.headers(PUBLIC), timeout=60
        ) as desk,
    ):
        assert (await stream.next())["type"] == "hello"
        sent = await desk.post(
            "/desk/api/v1/media", data={"alt": "Bruit"}, files={"file": ("bruit.png", picture, "image/png")}
        )
        assert sent.status_code == 201, sent.text
