"""Requesters: in whose line they wait, and what becomes of it when they leave. The server is a real one."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import httpx2
import pytest

from liveserver.access.request_limits import RequestLimits
from liveserver.domain.errors import Busy
from liveserver.domain.topic import Topic
from liveserver.http import fair_queue, requesters
from liveserver.http.fair_queue import UNREAD_MOST, WAITING_PER_LINE
from liveserver.http.requesters import must_read, requester_of, requester_with
from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.settings import Settings
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.site import ENTRIES, LIVEBLOG, SETTINGS, SLUG, settled

if TYPE_CHECKING:
    from liveserver.server.protocols.http_protocol import HttpProtocol
    from liveserver.store.groups.queries import QueryGroup
    from tests.support.api.site import LiveSite

FLOOD = "127.0.0.2"
OTHER = "127.0.0.3"


def scope_of(client: tuple[str, int] | None, **limits: str) -> dict[str, Any]:
    """The scope of a request for a page."""
    chosen = Settings(**{**SETTINGS, **limits})

    class Parts:
        limits = RequestLimits(chosen)

    return {"client": client, "state": {"services": Parts}}


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("192.0.2.7", bytes([192, 0, 2, 7])),
        ("2001:db8:1:2::9", bytes.fromhex("20010db800010002")),
        ("127.0.0.1", Topic(SLUG)),
        ("10.1.2.3", Topic(SLUG)),
        ("no address", Topic(SLUG)),
        (None, Topic(SLUG)),
    ],
)
def test_lines(host: str | None, line: object) -> None:
    """An address's, or its network's; of clients that aren't limited by address, that of what they ask for."""
    scope = scope_of((host, 1) if host else None, forwarded_allow_ips="10.0.0.0/8")
    requester = requester_of(scope, Topic(SLUG))
    assert (requester.line, requester.address, requester.gone()) == (line, host, False)


def test_a_requester_that_has_gone_is_known_where_the_server_tells() -> None:
    scope = scope_of(("192.0.2.7", 1))
    gone: list[bool] = []
    scope["extensions"] = {EXTENSION: {"gone": lambda: bool(gone)}}
    requester = requester_of(scope)
    assert not requester.gone()
    gone.append(True)
    assert requester.gone()


class Gate:
    """Reads of the store, which wait until they are let through."""

    def __init__(self, site: LiveSite, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
        """`names`: of groups and their queries, as in `entries.page`."""
        self.reads: list[object] = []
        self.open = asyncio.Event()
        for name in names:
            group, query = name.split(".")
            self._guard(monkeypatch, getattr(site.parts.store, group), query)

    def _guard(self, monkeypatch: pytest.MonkeyPatch, group: QueryGroup, query: str) -> None:
        original = getattr(group, query)

        async def read(*args: Any, **kwargs: Any) -> Any:
            self.reads.append(args)
            await self.open.wait()
            return await original(*args, **kwargs)

        monkeypatch.setattr(group, query, read)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Of a server that exempts nobody from its limits."""
    return settings.model_copy(update={"limit_exempt": "", "forwarded_allow_ips": ""})


def variants(first: int, last: int) -> list[str]:
    """Lists that nobody else asks for."""
    return [f"{ENTRIES}?tag=t{number}" for number in range(first, last)]


async def send(site: LiveSite, path: str, source: str) -> asyncio.StreamWriter:
    """Ask for something, and don't wait for it."""
    _, writer = await asyncio.open_connection("127.0.0.1", site.port, local_addr=(source, 0))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return writer


async def fetch(site: LiveSite, path: str, source: str) -> httpx2.Response:
    """Ask for something, and wait for it."""
    transport = httpx2.AsyncHTTPTransport(local_address=source)
    async with httpx2.AsyncClient(transport=transport, base_url=site.url("")) as client:
        return await client.get(path)


async def waits(site: LiveSite, number: int) -> None:
    """Return once so many works wait."""

    async def so_many() -> bool:
        return site.parts.store_queue.waiting == number

    await settled(so_many)


def test_what_is_unread_is_known_where_the_server_tells() -> None:
    """Of those that limits by address hold for: behind a proxy that forwards no address it would be everybody's."""
    asked: list[bytes] = []

    def size_of(prefix: bytes) -> int:
        asked.append(prefix)
        return UNREAD_MOST

    extensions = {EXTENSION: {"unread": size_of}}
    limited = scope_of(("192.0.2.7", 1)) | {"extensions": extensions}
    assert requester_of(limited).unread() == UNREAD_MOST
    with pytest.raises(Busy, match="hasn't read"):
        must_read(limited)
    proxied = scope_of(("127.0.0.1", 1)) | {"extensions": extensions}
    assert requester_of(proxied).unread() == 0
    must_read(proxied)
    assert set(asked) == {bytes([192, 0, 2, 7])}


def test_what_is_unread_with_a_key_counts_for_the_key() -> None:
    """A neighbour of the editor's who doesn't read can't hold them up; nor can the key read without end."""
    unread: dict[object, int] = {bytes([192, 0, 2, 7]): UNREAD_MOST}
    extension: dict[str, Any] = {"unread": lambda owner: unread.get(owner, 0)}
    scope = scope_of(("192.0.2.7", 1)) | {"extensions": {EXTENSION: extension}}
    requester = requester_with(scope, "2zgpnh3zf4od")
    assert (requester.line, requester.unread()) == (("principal", "2zgpnh3zf4od"), 0)
    unread[extension["owner"]] = UNREAD_MOST
    assert requester.unread() == UNREAD_MOST


async def test_nothing_is_made_for_clients_that_have_gone(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work under way is done to its end, work that waits isn't. And no answer is a failure."""
    gate = Gate(live_site, monkeypatch, "entries.page")
    links = [await send(live_site, path, FLOOD) for path in variants(0, 20)]
    await waits(live_site, 19)
    for link in links:
        link.transport.abort()

    async def told() -> bool:
        return not live_site.server.server_state.connections

    await settled(told)
    gate.open.set()
    assert (await fetch(live_site, f"{ENTRIES}?tag=other", OTHER)).status_code == 200
    await live_site.idle()
    assert len(gate.reads) == 2
    assert live_site.parts.store_queue.waiting == 0


async def test_a_client_that_does_not_read_waits_and_is_refused(
    live_site: LiveSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait in our memory. Others are served, and so are they when they have read."""
    monkeypatch.setattr(fair_queue, "UNREAD_SLOW", 1)
    monkeypatch.setattr(fair_queue, "UNREAD_SECONDS", 3600.0)
    for _ in range(8):
        await live_site.publish(body=f"<p>{'x' * 90_000}</p>")
    kept = cast("type[HttpProtocol]", live_site.server.config.http_protocol_class).room.unread
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    sock.bind((FLOOD, 0))
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", live_site.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    writer.write(f"GET {ENTRIES} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())

    async def unread_by_one() -> bool:
        return len(kept) == 1

    await settled(unread_by_one)
    assert 8 * 90_000 < kept.size_of(bytes([127, 0, 0, 2])) < 8 * 190_000
    more = asyncio.create_task(fetch(live_site, f"{ENTRIES}?limit=3", FLOOD))
    await waits(live_site, 1)
    assert (await fetch(live_site, f"{ENTRIES}?limit=4", OTHER)).status_code == 200
    assert (live_site.parts.store_queue.waiting, more.done()) == (1, False)
    monkeypatch.setattr(fair_queue, "UNREAD_MOST", 1)
    monkeypatch.setattr(requesters, "UNREAD_MOST", 1)
    refused = [await fetch(live_site, path, FLOOD) for path in (f"{ENTRIES}?limit=5", f"/media/{'a' * 32}-9x9.webp")]
    assert [answer.status_code for answer in refused] == [503, 503]
    answer = await reader.read(-1)
    assert len(answer) > 8 * 90_000
    assert (await more).status_code == 200
    writer.close()


@pytest.mark.parametrize(("path", "scope"), [(ENTRIES, "publish"), ("/api/v1/partners", "manage")])
async def test_a_slow_body_counts_for_the_key_that_it_came_with(live_site: LiveSite, path: str, scope: str) -> None:
    """Without a valid key it goes on counting for its address."""
    receiving = cast("type[HttpProtocol]", live_site.server.config.http_protocol_class).room.receiving
    key = await live_site.key("Agence", [scope])
    key_id = key.split("_")[1]
    links = []
    for authorization in (key, key[:-1] + "!"):
        _, writer = await asyncio.open_connection("127.0.0.1", live_site.port, local_addr=(FLOOD, 0))
        lines = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {authorization}\r\nContent-Length: 99"
        writer.write(f"{lines}\r\nContent-Type: application/json\r\n\r\n{{".encode())
        links.append(writer)

    async def claimed() -> bool:
        return [
            len(list(receiving.of(owner))) for owner in (("principal", f"key:{key_id}"), bytes([127, 0, 0, 2]))
        ] == [1, 1]

    await settled(claimed)
    for writer in links:
        writer.close()


async def test_one_address_does_not_hold_up_another(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor what it waits for itself the page of a client that asks for one; beyond a bound it is told to come later."""
    gate = Gate(live_site, monkeypatch, "entries.page", "liveblogs.snapshot")
    links = [await send(live_site, path, FLOOD) for path in variants(0, 1 + WAITING_PER_LINE)]
    await waits(live_site, WAITING_PER_LINE)
    refused = await fetch(live_site, f"{ENTRIES}?tag=more", FLOOD)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:liveserver:problem:unavailable")
    assert int(refused.headers["retry-after"]) > 0
    page = await fetch(live_site, f"/live/{SLUG}?tag=more", FLOOD)
    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    asked = asyncio.create_task(fetch(live_site, f"{LIVEBLOG}/snapshot?limit=7", OTHER))

    async def begun() -> bool:
        return len(gate.reads) == 2

    # Both places are taken: by one work of the flood's, and by the other's.
    await settled(begun)
    gate.open.set()
    assert (await asked).status_code == 200
    for link in links:
        link.transport.abort()


@pytest.mark.parametrize(
    "path",
    [
        f"/live/{SLUG}?order=oldest",
        f"/live/{SLUG}/entries/{{entry}}",
        f"/live/{SLUG}/feed.rss",
        f"/live/{SLUG}/card.png",
        f"/live/{SLUG}/entries/{{entry}}/card.png",
        f"/embed/{SLUG}",
        f"/embed/{SLUG}/fragment",
        f"/embed/{SLUG}/shell.json",
        f"/embed/preview/{SLUG}",
        f"/embed/preview/{SLUG}?partner=p_0123456789ab",
        f"/oembed?url=http://live.test/live/{SLUG}",
        f"/reach/{SLUG}?link={'a' * 43}",
        "/sitemap.xml",
        "/sitemap-news.xml",
        "/sitemap-1.xml",
        "/api/v1/liveblogs",
        LIVEBLOG,
        f"{LIVEBLOG}/embed",
        f"{LIVEBLOG}/snapshot",
        f"{LIVEBLOG}/changes?after=x",
        ENTRIES,
        f"{ENTRIES}/{{entry}}",
    ],
)
async def test_all_that_a_stranger_may_have_read_waits_for_its_turn(
    live_site: LiveSite, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """While a line is busy, nothing of it is read; and then it is answered."""
    entry = await live_site.publish()
    database = live_site.parts.store._database
    reads: list[object] = []
    read = database.read

    async def noted(work: Any, *args: Any, **kwargs: Any) -> Any:
        reads.append(work)
        return await read(work, *args, **kwargs)

    monkeypatch.setattr(database, "read", noted)
    gate = Gate(live_site, monkeypatch, "entries.page")
    link = await send(live_site, variants(0, 1)[0], FLOOD)

    async def begun() -> bool:
        return len(gate.reads) == 1

    await settled(begun)
    reads.clear()
    asked = asyncio.create_task(fetch(live_site, path.replace("{entry}", entry["id"]), FLOOD))
    await waits(live_site, 1)
    assert reads == []
    gate.open.set()
    assert (await asked).status_code in {200, 302, 403}
    link.transport.abort()


@pytest.mark.parametrize("path", [f"{ENTRIES}?status=draft", f"{ENTRIES}/{{entry}}/revisions"])
async def test_what_a_key_has_read_waits_for_its_turn(
    live_site: LiveSite, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """In the key's own line, from whichever address it comes; another key's is another."""
    entry = await live_site.publish()
    other = await live_site.client(await live_site.key("Agence", ["publish"]))
    gate = Gate(live_site, monkeypatch, "entries.page", "entries.revisions")
    path = path.replace("{entry}", entry["id"])
    first = asyncio.create_task(live_site.editor.get(f"{ENTRIES}?limit=1"))

    async def begun(number: int) -> bool:
        return len(gate.reads) == number

    await settled(partial(begun, 1))
    second = asyncio.create_task(live_site.editor.get(path))
    await waits(live_site, 1)
    third = asyncio.create_task(other.get(f"{path}{'&' if '?' in path else '?'}limit=2"))
    await settled(partial(begun, 2))
    assert live_site.parts.store_queue.waiting == 1
    gate.open.set()
    assert [answer.status_code for answer in await asyncio.gather(first, second, third)] == [200] * 3


async def test_a_page_of_errors_is_refused_without_a_look(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """To refuse must cost less than to serve."""
    entry = await live_site.publish()
    fair_queue = live_site.parts.store_queue
    monkeypatch.setattr(fair_queue, "_per_line", 0)
    looks: list[object] = []
    monkeypatch.setattr(live_site.parts.store.liveblogs, "find", lambda *args: looks.append(args))
    before = refusals.counts[Reason.BUSY]
    page = await fetch(live_site, f"/live/{SLUG}/entries/{entry['id']}", OTHER)
    assert (page.status_code, looks) == (503, [])
    # To ask for the live blog's name would have been refused, too.
    assert refusals.counts[Reason.BUSY] == before + 1
