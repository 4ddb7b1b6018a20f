"""The live stream over WebSocket and SSE, on a real server; and the sink that stands for a viewer."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from liveserver.content.markup_cost import SAFE_MAX
from liveserver.domain.change import Position
from liveserver.protocol.frames import ChangeFrame, Frame
from liveserver.protocol.messages import INBOUND_MAX
from liveserver.realtime.transport.queue_viewer import QUEUE_BYTES, QueueViewer
from liveserver.realtime.transport.viewer_budget import FRAMES
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.api.site import (
    LIVEBLOG,
    OURS,
    SLUG,
    STOCK,
    TYPOGRAPHY,
    WHOLE,
    Stack,
    database_away,
    problem,
    serving,
    settled,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.settings import Settings
    from tests.support.api.site import JSON, LiveSite, Site

PATIENCE = 10.0
"""Seconds within which anything that is awaited must come."""

UNKNOWN = "/api/v1/liveblogs/rien"


@pytest.fixture(params=[OURS, STOCK], ids=["ours", "stock"])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Viewers that were handed over, and viewers behind ASGI's `send`: they get the same."""
    chosen: Stack = request.param
    return chosen


class Event(NamedTuple):
    """One event of a text/event-stream."""

    id: str | None
    data: bytes

    @property
    def message(self) -> JSON:
        """Its data, which is JSON."""
        message: JSON = orjson.loads(self.data)
        return message


class Events:
    """A text/event-stream as it comes in, byte for byte."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self._raw = response.aiter_raw()
        self._buffer = b""

    async def block(self) -> bytes | None:
        """The lines up to the next empty one; None at the end."""
        async with asyncio.timeout(PATIENCE):
            while b"\n\n" not in self._buffer:
                try:
                    self._buffer += await anext(self._raw)
                except StopAsyncIteration:
                    return None
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        return block

    async def next(self) -> Event:
        """The next event."""
        block = await self.block()
        assert block is not None, "the stream ended"
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
        return Event(fields[b"id"].decode() if b"id" in fields else None, fields[b"data"])


@asynccontextmanager
async def events(site: LiveSite, query: str = "", *, path: str = LIVEBLOG, **headers: str) -> AsyncIterator[Events]:
    """An SSE stream."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx2.AsyncClient() as client,
        client.stream("GET", site.url(f"{path}/events{query}"), headers=sent, timeout=PATIENCE) as response,
    ):
        yield Events(response)


@asynccontextmanager
async def websocket(site: LiveSite, query: str = "", *, path: str = LIVEBLOG, **options: Any) -> AsyncIterator[Viewer]:
    """A WebSocket stream."""
    async with connect(site.url(f"{path}/ws{query}", "ws"), **options) as connection:
        yield Viewer(connection)


class Viewer:
    """A viewer by WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def raw(self) -> bytes:
        """The next message as it comes; each is one text frame."""
        async with asyncio.timeout(PATIENCE):
            text = await self.connection.recv()
        assert isinstance(text, str)
        return text.encode()

    async def next(self) -> JSON:
        """The next message."""
        message: JSON = orjson.loads(await self.raw())
        return message

    async def end(self) -> int | None:
        """The code with which the server closes; nothing comes before it."""
        with pytest.raises(ConnectionClosed) as closed:
            await self.raw()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code


async def gone(site: LiveSite, *, viewers: int = 0) -> None:
    """Return once the hub knows of exactly so many viewers."""

    async def as_many() -> bool:
        return site.parts.hub.count(SLUG) == viewers

    await settled(as_many)


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
    """What was missed, the latest state of each entry only, then what comes."""
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


def frame(seq: int, size: int = 10) -> Frame:
    """A frame of so many bytes."""
    return ChangeFrame(Position("abcdefgh", seq), str(seq), b"x" * size)


class Transport:
    """Takes one frame at a time, when it is let."""

    def __init__(self) -> None:
        self.sent: list[Frame] = []
        self._room = asyncio.Semaphore(0)
        self._taken = asyncio.Event()

    async def send(self, one: Frame) -> None:
        """What the sink sends through."""
        await self._room.acquire()
        self.sent.append(one)
        self._taken.set()

    async def take(self, count: int) -> None:
        """Let so many more through, and wait until they are."""
        wanted = len(self.sent) + count
        for _ in range(count):
            self._room.release()
        async with asyncio.timeout(PATIENCE):
            while len(self.sent) < wanted:
                self._taken.clear()
                await self._taken.wait()


class Hub:
    """Notes who has drained, and when."""

    def __init__(self) -> None:
        self.drained: list[QueueViewer] = []
        self.again = asyncio.Event()

    def __call__(self, viewer: QueueViewer) -> None:
        self.drained.append(viewer)
        self.again.set()


async def test_a_sink_sends_in_order_and_ends() -> None:
    """What was queued before the end is sent; what comes after it is not."""
    hub, transport = Hub(), Transport()
    viewer = QueueViewer(hub)
    frames = [frame(seq) for seq in range(3)]
    assert all(viewer.write(one) for one in frames)
    running = asyncio.create_task(viewer.run(transport.send))
    await transport.take(1)
    viewer.close(4000)
    viewer.close(1012)
    assert viewer.write(frame(9)) is True
    await transport.take(2)
    assert await running == 4000
    assert transport.sent == frames
    assert hub.drained == []


async def test_a_slow_viewer_lags_until_it_has_drained() -> None:
    """A full queue takes nothing more, not even what would fit, until all of it is sent: then the hub hears of it."""
    hub, transport = Hub(), Transport()
    viewer = QueueViewer(hub)
    half = QUEUE_BYTES // 2
    first = [frame(1, half), frame(2, half)]
    assert all(viewer.write(one) for one in first)
    assert viewer.write(frame(3)) is False
    running = asyncio.create_task(viewer.run(transport.send))
    await transport.take(1)
    assert viewer.write(frame(4)) is False
    assert hub.drained == []
    await transport.take(1)
    await hub.again.wait()
    assert hub.drained == [viewer]
    later = frame(5)
    assert viewer.write(later) is True
    await transport.take(1)
    assert transport.sent == [*first, later]
    viewer.close(1012)
    assert await running == 1012


async def test_a_viewer_that_lagged_is_caught_up(site: Site) -> None:
    """With a second `hello` and the latest states of what it missed; then it is live again."""
    hub, transport = site.parts.hub, Transport()
    viewer = QueueViewer(lambda viewer: hub.resume(WHOLE, viewer))
    await hub.join(WHOLE, viewer, None)
    running = asyncio.create_task(viewer.run(transport.send))
    channel = next(hub.channels())
    entries = []
    while not channel.lagging:
        entries.append(await site.publish("x" * 100_000))
        # The hub hears of it in the turn after the answer.
        await asyncio.sleep(0)
    missed = entries.pop()
    for heading in ("Un", "Deux"):
        missed = await site.edit(missed, heading=heading)
    await asyncio.sleep(0)
    assert hub.count(SLUG) == 1
    await transport.take(1 + len(entries) + 2)
    messages = [orjson.loads(one.message) for one in transport.sent]
    assert [message["type"] for message in messages] == ["hello", *["entry"] * len(entries), "hello", "entry"]
    seq = len(entries) + 3
    assert (messages[-2]["seq"], messages[-2]["resumed"]) == (seq, True)
    assert messages[-1] == {"type": "entry", "seq": seq, "entry": missed}
    assert not channel.lagging
    live = await site.publish()
    await transport.take(1)
    assert orjson.loads(transport.sent[-1].message) == {"type": "entry", "seq": seq + 1, "entry": live}
    viewer.close(1012)
    assert await running == 1012
    hub.leave(WHOLE, viewer)


async def test_a_stuck_viewer_is_dropped_when_it_is_closed() -> None:
    """Its send may never return; what was queued for it is let go."""
    hub, transport = Hub(), Transport()
    viewer = QueueViewer(hub)
    assert viewer.write(frame(1, QUEUE_BYTES)) is True
    running = asyncio.create_task(viewer.run(transport.send))
    await asyncio.sleep(0)
    assert viewer.write(frame(2)) is False
    viewer.close(4000)
    async with asyncio.timeout(PATIENCE):
        assert await running == 4000
    assert transport.sent == []


async def test_a_sink_can_be_cancelled() -> None:
    """As when the viewer leaves: that is no close code."""
    viewer = QueueViewer(Hub())
    running = asyncio.create_task(viewer.run(Transport().send))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@asynccontextmanager
async def who_never_reads(site: LiveSite, path: str) -> AsyncIterator[None]:
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
    async with serving(quick, stack) as site, websocket(site, max_size=None) as healthy, who_never_reads(site, path):
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


async def test_a_frame_larger_than_the_queue_gets_through() -> None:
    """Otherwise it could never be caught up with: `hello`, a lag, and `hello` again, for ever."""
    hub, transport = Hub(), Transport()
    viewer = QueueViewer(hub)
    hello, huge = frame(1), frame(2, 3 * QUEUE_BYTES)
    assert viewer.write(hello) is True
    assert viewer.write(huge) is True
    assert viewer.write(frame(3)) is False
    running = asyncio.create_task(viewer.run(transport.send))
    await transport.take(2)
    await hub.again.wait()
    assert transport.sent == [hello, huge]
    running.cancel()


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
