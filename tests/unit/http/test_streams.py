"""The live stream over WebSocket and SSE, on a real server."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import httpx2
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from liveserver.content.markup_cost import SAFE_MAX
from liveserver.protocol.messages import INBOUND_MAX
from liveserver.realtime.transport.viewer_budget import FRAMES
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.site import LIVEBLOG, OURS, SLUG, STOCK, TYPOGRAPHY, Stack, database_away, problem, serving
from tests.support.api.streams import PATIENCE, events, gone, websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.settings import Settings
    from tests.support.api.site import LiveSite

UNKNOWN = "/api/v1/liveblogs/rien"


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Viewers that were handed over, and viewers behind ASGI's `send`: they get the same."""
    chosen: Stack = request.param
    return chosen


async def test_websocket_live(live_site: LiveSite) -> None:
    """`hello`, then each change as it is made, one after the other."""
    async with websocket(live_site) as viewer:
        epoch = (await live_site.position()).partition("-")[0]
        assert await viewer.next() == {"type": "hello", "epoch": epoch, "seq": 0, "resumed": False, "heartbeat": 300}
        entry = await live_site.publish()
        assert await viewer.next() == {"type": "entry", "seq": 1, "entry": entry}
        entry = await live_site.edit(entry, heading="Autre")
        assert await viewer.next() == {"type": "entry", "seq": 2, "entry": entry}
        response = await live_site.editor.patch(LIVEBLOG, json={"status": "paused"}, headers={"If-Match": "*"})
        assert await viewer.next() == {"type": "liveblog", "seq": 3, "liveblog": response.json()}
        await live_site.delete(entry)
        assert await viewer.next() == {"type": "delete", "seq": 4, "id": entry["id"]}


async def test_sse_live(live_site: LiveSite) -> None:
    """The same; each change has its position as id, `hello` has none."""
    async with events(live_site) as stream:
        assert stream.response.status_code == 200
        headers = stream.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-cache, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert "content-length" not in headers
        epoch = (await live_site.position()).partition("-")[0]
        hello = {"type": "hello", "epoch": epoch, "seq": 0, "resumed": False, "heartbeat": 300}
        # One block: `retry` in one of its own is an event without data to some clients.
        retry, data = (await stream.block() or b"").split(b"\n")
        assert (retry, data[:6]) == (b"retry: 3000", b"data: ")
        message = orjson.loads(data[6:])
        assert message == {**hello, "viewer": message["viewer"]}
        entry = await live_site.publish()
        second = await stream.next()
        assert (second.id, second.message) == (f"{epoch}-1", {"type": "entry", "seq": 1, "entry": entry})
        await live_site.delete(entry)
        third = await stream.next()
        assert (third.id, third.message) == (f"{epoch}-2", {"type": "delete", "seq": 2, "id": entry["id"]})


async def test_the_same_bytes_everywhere(live_site: LiveSite) -> None:
    """WebSocket, SSE, `changes`, live and resumed: one JSON, and typography to the byte."""
    start = await live_site.position()
    async with websocket(live_site) as viewer, events(live_site) as stream:
        await viewer.next()
        await stream.next()
        await live_site.publish(f"<p>{TYPOGRAPHY}</p>", heading=TYPOGRAPHY, authors=[TYPOGRAPHY], source=TYPOGRAPHY)
        live = await viewer.raw()
        assert (await stream.next()).data == live
    async with websocket(live_site, f"?after={start}") as viewer, events(live_site, f"?after={start}") as stream:
        await viewer.next()
        assert await viewer.raw() == live
        await stream.next()
        assert (await stream.next()).data == live
    polled = (await live_site.reader.get(f"{LIVEBLOG}/changes", params={"after": start})).content
    assert live in polled
    message = orjson.loads(live)
    assert (message["entry"]["heading"], message["entry"]["body"]) == (TYPOGRAPHY, f"<p>{TYPOGRAPHY}</p>")
    assert TYPOGRAPHY.replace("\\", "\\\\").replace('"', '\\"').encode() in live


async def test_resuming(live_site: LiveSite) -> None:
    """The latest state of each entry that was missed, then live changes."""
    first = await live_site.publish("1")
    after = await live_site.position()
    second = await live_site.publish("2")
    first = await live_site.edit(first, heading="Un")
    gone_entry = await live_site.publish("3")
    await live_site.delete(gone_entry)
    expected = [
        {"type": "entry", "seq": 2, "entry": second},
        {"type": "entry", "seq": 3, "entry": first},
        {"type": "delete", "seq": 5, "id": gone_entry["id"]},
    ]
    hello = {"type": "hello", "epoch": after.partition("-")[0], "seq": 5, "resumed": True, "heartbeat": 300}
    async with websocket(live_site, f"?after={after}") as viewer, events(live_site, f"?after={after}") as stream:
        assert [await viewer.next() for _ in range(4)] == [hello, *expected]
        first_event = (await stream.next()).message
        assert first_event == {**hello, "viewer": first_event["viewer"]}
        assert [(await stream.next()).message for _ in range(3)] == expected
        live = await live_site.publish("4")
        assert await viewer.next() == {"type": "entry", "seq": 6, "entry": live}
        assert (await stream.next()).message == {"type": "entry", "seq": 6, "entry": live}


async def test_resuming_where_nothing_was_missed(live_site: LiveSite) -> None:
    """`hello` says so, and no more comes."""
    await live_site.publish()
    async with websocket(live_site, f"?after={await live_site.position()}") as viewer:
        hello = await viewer.next()
        assert (hello["seq"], hello["resumed"]) == (1, True)
        await live_site.publish()
        assert (await viewer.next())["seq"] == 2


async def test_last_event_id_wins(live_site: LiveSite) -> None:
    """The browser knows better where it stands than the address with which it began."""
    start = await live_site.position()
    epoch = start.partition("-")[0]
    for number in range(3):
        await live_site.publish(str(number))

    async def seqs(query: str, count: int, **headers: str) -> list[int]:
        async with events(live_site, query, **headers) as stream:
            return [(await stream.next()).message["seq"] for _ in range(count)]

    assert await seqs(f"?after={start}", 2, Last_Event_ID=f"{epoch}-2") == [3, 3]
    assert await seqs(f"?after={epoch}-2", 4, Last_Event_ID=start) == [3, 1, 2, 3]
    assert await seqs(f"?after={epoch}-2", 2, Last_Event_ID="") == [3, 3]
    assert await seqs("", 3, Last_Event_ID=f"{epoch}-1") == [3, 2, 3]
    async with events(live_site, f"?after={start}", Last_Event_ID="x") as stream:
        assert [(await stream.next()).message["type"] for _ in range(2)] == ["hello", "reset"]


@pytest.mark.parametrize("after", ["abcdefgh-0", "{epoch}-2", "{epoch}-01", "x", "-", "%00", "é", "x" * 1000])
async def test_void_positions(live_site: LiveSite, after: str) -> None:
    """`hello` that isn't resumed, then `reset`; the stream goes on from there."""
    await live_site.publish()
    epoch = (await live_site.position()).partition("-")[0]
    query = f"?after={after.format(epoch=epoch)}"
    hello = {"type": "hello", "epoch": epoch, "seq": 1, "resumed": False, "heartbeat": 300}
    reset = {"type": "reset", "epoch": epoch, "seq": 1}
    async with websocket(live_site, query) as viewer, events(live_site, query) as stream:
        assert [await viewer.next(), await viewer.next()] == [hello, reset]
        answers = [await stream.next(), await stream.next()]
        hello["viewer"] = answers[0].message["viewer"]
        assert [(answer.id, answer.message) for answer in answers] == [(None, hello), (None, reset)]
        await live_site.publish()
        assert (await viewer.next())["seq"] == (await stream.next()).message["seq"] == 2


async def test_unknown_live_blogs(live_site: LiveSite) -> None:
    """A WebSocket is closed for good, with a code that a browser can read; SSE is 404, which ends an EventSource."""
    async with websocket(live_site, path=UNKNOWN) as viewer:
        assert await viewer.end() == 4504
    async with events(live_site, path=UNKNOWN) as stream:
        assert stream.response.status_code == 404
        await stream.response.aread()
        problem(stream.response, 404)
    async with httpx2.AsyncClient() as client:
        assert (await client.head(live_site.url(f"{UNKNOWN}/events"))).status_code == 404


async def test_the_database_is_away(live_site: LiveSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Viewers of what is in memory stay and come; others are told to try again."""
    await live_site.open_liveblog("froid")
    await live_site.publish()
    position = await live_site.position()
    async with websocket(live_site) as viewer:
        await viewer.next()
        with database_away(monkeypatch):
            async with websocket(live_site, f"?after={position}") as other:
                assert (await other.next())["resumed"] is True
            async with websocket(live_site, path="/api/v1/liveblogs/froid") as cold:
                assert await cold.end() == 1013
            async with events(live_site, path="/api/v1/liveblogs/froid") as stream:
                assert stream.response.status_code == 503
                assert stream.response.headers["retry-after"] == "2"
        entry = await live_site.publish()
        assert await viewer.next() == {"type": "entry", "seq": 2, "entry": entry}


@pytest.mark.slow
async def test_heartbeats(settings: Settings, stack: Stack) -> None:
    """They tell the seq and how many viewers there are, over both transports, and move nobody."""
    async with serving(settings.model_copy(update={"heartbeat": 1}), stack) as site:
        await site.publish()
        async with websocket(site) as viewer, events(site) as stream:
            assert (await viewer.next())["heartbeat"] == 1
            await stream.next()
            # The first beat may fall between the two arrivals.
            while (beat := await viewer.next())["viewers"] < 2:
                assert beat == {"type": "heartbeat", "seq": 1, "viewers": 1}
            assert beat == {"type": "heartbeat", "seq": 1, "viewers": 2}
            event = await stream.next()
            assert (event.id, event.message) == (None, beat)


async def test_what_a_viewer_sends_is_ignored(live_site: LiveSite) -> None:
    """Up to a few hundred bytes, text or binary."""
    async with websocket(live_site) as viewer:
        await viewer.next()
        for message in ("x", "", "x" * INBOUND_MAX, b"\x00" * INBOUND_MAX, '{"type":"entry"}'):
            await viewer.connection.send(message)
        waiter = await viewer.connection.ping()
        async with asyncio.timeout(PATIENCE):
            await waiter
        entry = await live_site.publish()
        assert await viewer.next() == {"type": "entry", "seq": 1, "entry": entry}


@pytest.mark.slow
@pytest.mark.parametrize("message", ["x" * (INBOUND_MAX + 1), "é" * (INBOUND_MAX // 2 + 1), b"x" * 5000, "x" * 10**6])
async def test_a_viewer_that_sends_much_is_closed(
    live_site: LiveSite, message: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1009, and it is forgotten; what counts is bytes."""
    monkeypatch.setattr("liveserver.realtime.transport.socket_viewer.LINGER", 1.0)
    async with websocket(live_site, compression=None) as viewer:
        await viewer.next()
        await viewer.connection.send(message)
        assert await viewer.end() == 1009
    await gone(live_site)


async def test_a_viewer_that_says_much_is_closed(live_site: LiveSite) -> None:
    """1008, however small each word is; what another sees of it is nothing. Coming back is no matter."""
    before = refusals.counts[Reason.TOO_TALKATIVE]
    async with websocket(live_site) as other, websocket(live_site, compression=None) as viewer:
        await other.next()
        await viewer.next()
        with suppress(ConnectionClosed):
            for _ in range(10 * FRAMES):
                await viewer.connection.send("x")
        assert await viewer.end() == 1008
        await gone(live_site, viewers=1)
        entry = await live_site.publish()
        assert await other.next() == {"type": "entry", "seq": 1, "entry": entry}
        async with websocket(live_site) as again:
            assert (await again.next())["type"] == "hello"
    assert refusals.counts[Reason.TOO_TALKATIVE] == before + 1


async def test_an_upgrade_behind_an_event_stream_in_one_segment(settings: Settings) -> None:
    """The connection is the stream's, and stays that: nothing of the other is answered, no second viewer made."""
    before = refusals.counts[Reason.MALFORMED]
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    second = f"GET {LIVEBLOG}/ws HTTP/1.1\r\nHost: x\r\n{upgrade}{key}\r\n"
    async with serving(settings) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(f"GET {LIVEBLOG}/events HTTP/1.1\r\nHost: x\r\n\r\n{second}".encode())
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
            await reader.readuntil(b'"hello"')
            await reader.readuntil(b"\n\n")
            assert refusals.counts[Reason.MALFORMED] == before + 1
            assert site.parts.hub.count(SLUG) == 1
            writer.write(b"\x81\x80\0\0\0\0")
            entry = await site.publish()
            assert entry["id"].encode() in await reader.readuntil(b"\n\n")
        writer.close()
        await writer.wait_closed()
        await gone(site)


async def test_a_viewer_that_leaves_is_forgotten(live_site: LiveSite) -> None:
    """In order or not."""
    async with websocket(live_site) as viewer, events(live_site):
        await viewer.next()
        async with websocket(live_site) as third:
            await third.next()
            assert live_site.parts.hub.count(SLUG) == 3
            third.connection.transport.abort()
            await gone(live_site, viewers=2)
        await viewer.connection.close()
        await gone(live_site, viewers=1)
    await gone(live_site)
    assert len(list(live_site.parts.hub.channels())) == 1


async def test_head_of_an_event_stream(live_site: LiveSite) -> None:
    """Headers, and the end."""
    async with httpx2.AsyncClient() as client:
        response = await client.head(live_site.url(f"{LIVEBLOG}/events"), timeout=PATIENCE)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert live_site.parts.hub.count(SLUG) == 0


@pytest.mark.parametrize("origin", ["https://partner.example", "null"])
async def test_any_origin_may_follow(live_site: LiveSite, origin: str) -> None:
    """Partners' pages, sandboxed ones too."""
    async with (
        websocket(live_site, additional_headers={"Origin": origin}) as viewer,
        events(live_site, Origin=origin) as stream,
    ):
        assert (await viewer.next())["type"] == "hello"
        assert stream.response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_headers_of_an_event_stream(live_site: LiveSite, method: str) -> None:
    """Each comes once, whichever part of the server adds it."""
    async with (
        httpx2.AsyncClient() as client,
        client.stream(method, live_site.url(f"{LIVEBLOG}/events"), headers={"Origin": "https://a.example"}) as response,
    ):
        names = [name for name, _ in response.headers.multi_items()]
        assert len(names) == len(set(names))
        assert {"access-control-allow-origin", "x-content-type-options", "cache-control"} <= set(names)


@pytest.mark.slow
async def test_the_server_goes_away(settings: Settings, stack: Stack) -> None:
    """Every viewer is told when to come back, then closed: 1012, or the end of the stream."""
    settings = settings.model_copy(update={"drain": 0.2})
    async with serving(settings, stack) as site:
        viewers = 20
        async with websocket(site) as viewer, events(site) as stream:
            others = [await connect(site.url(f"{LIVEBLOG}/ws", "ws")) for _ in range(viewers)]
            await viewer.next()
            await stream.next()
            site.server.should_exit = True
            farewell = await viewer.next()
            assert farewell["type"] == "reconnect"
            assert await viewer.end() == 1012
            told = [farewell, (await stream.next()).message]
            assert await stream.block() is None
            for other in others:
                assert orjson.loads(await other.recv())["type"] == "hello"
                told.append(orjson.loads(await other.recv()))
                await other.wait_closed()
                assert other.close_code == 1012
            assert {message["type"] for message in told} == {"reconnect"}
            times = [message["after_ms"] for message in told]
            assert len(set(times)) == len(times), "everyone at another moment"
            window = 1000 * settings.drain
            assert all(0 <= ms <= window for ms in times)
            assert min(times) < window / 4 < 3 * window / 4 < max(times), "spread over the window"


async def test_a_server_that_goes_away_takes_no_more_viewers(settings: Settings, stack: Stack) -> None:
    """503, which a balancer can try on another node; a viewer that is there goes on getting changes."""
    async with serving(settings.model_copy(update={"drain": 2.0}), stack) as site:
        async with websocket(site) as viewer:
            await viewer.next()
            site.server.handle_exit(signal.SIGTERM, None)
            with pytest.raises(InvalidStatus) as refused:
                async with websocket(site):
                    pass
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["retry-after"] == "2"
            async with httpx2.AsyncClient() as client:
                answer = await client.get(site.url(f"{LIVEBLOG}/events"))
                assert problem(answer, 503)["type"] == "urn:liveserver:problem:draining"
                assert (await client.get(site.url("/readyz"))).status_code == 503
                assert (await client.get(site.url(LIVEBLOG))).status_code == 200
            assert (await viewer.next())["type"] == "reconnect"
            await site.publish()
            assert (await viewer.next())["type"] == "entry"
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 1, "when nobody is left there is nothing to wait for"


async def test_a_websocket_without_a_path(live_site: LiveSite) -> None:
    """Plain HTTP to `/ws` is no stream: a problem document, as anywhere."""
    async with httpx2.AsyncClient() as client:
        problem(await client.get(live_site.url(f"{LIVEBLOG}/ws")), 426)


@asynccontextmanager
async def a_viewer_that_never_reads(site: LiveSite, path: str) -> AsyncIterator[None]:
    """A viewer that connects, and takes nothing."""
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    with socket.socket() as peer:
        # Little room in the kernel, so that it doesn't take megabytes until the server notices.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(peer, ("127.0.0.1", site.port))
        head = f"GET {LIVEBLOG}/{path} HTTP/1.1\r\nHost: x\r\n{upgrade if path == 'ws' else ''}\r\n"
        await loop.sock_sendall(peer, head.encode())
        yield


@pytest.mark.slow
@pytest.mark.parametrize("path", ["events", "ws"])
async def test_a_viewer_that_never_reads_is_closed(settings: Settings, stack: Stack, path: str) -> None:
    """And nothing is kept for it; the others go on."""
    quick = settings.model_copy(update={"poll": 0.1, "lag_timeout": 0.2})
    async with (
        serving(quick, stack) as site,
        websocket(site, max_size=None) as healthy,
        a_viewer_that_never_reads(site, path),
    ):
        await healthy.next()
        await gone(site, viewers=2)
        channel = next(site.parts.hub.channels())
        seq = 0
        async with asyncio.timeout(30):
            # Where a publish takes longer than a viewer may lag, it is gone before it is seen lagging.
            while channel.count == 2 and not channel.lagging:
                await site.publish("&" * 40_000)
                seq += 1
                assert (await healthy.next())["seq"] == seq
        await gone(site, viewers=1)
        await site.idle(tasks=1)
        await site.publish()
        assert (await healthy.next())["seq"] == seq + 1


async def test_the_largest_entry_reaches_viewers(live_site: LiveSite) -> None:
    """As long a text as is taken, which is as long twice over in its message: as it is, and as a part of a page."""
    async with websocket(live_site, max_size=None) as viewer, events(live_site) as stream:
        await viewer.next()
        await stream.next()
        entry = await live_site.publish("&" * 40_000)
        assert len(entry["body"]) == SAFE_MAX
        assert len(orjson.dumps(entry)) > 2 * SAFE_MAX
        message = {"type": "entry", "seq": 1, "entry": entry}
        assert await viewer.next() == message
        assert (await stream.next()).message == message
        after = f"?after={(await live_site.position()).partition('-')[0]}-0"
        async with websocket(live_site, after, max_size=None) as resumed:
            await resumed.next()
            assert await resumed.next() == message
