"""How a WebSocket connection ends, said by the peer or by the application, in order or not (Autobahn's group 7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from liveserver.realtime.transport.scope_extension import EXTENSION
from liveserver.realtime.transport.websocket import message_reader, peer_connection
from liveserver.realtime.transport.websocket.connection_state import ConnectionGone
from liveserver.realtime.transport.websocket.receive_queue import READ_AHEAD
from tests.support.websocket_peer import BINARY, CLOSE, CONT, PING, PONG, TEXT, WAIT, close, frame
from tests.support.websocket_talk import END, HEARD, HELLO, KOSME, MAX_SIZE, Talk, echo, ended_with, packets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]


@pytest.mark.parametrize("chop", ["whole", "bytes"])
@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered_with_its_code(code: int, chop: str) -> None:
    """The answer is the same whatever follows the close: a message, a ping, another close (7.1.2 to 7.1.4)."""
    for reason in (b"", b"*" * 123, "à bientôt".encode()):
        for after in ([], [HELLO], [frame(PING)], [close(1001)], [frame(15)]):
            talk = await Talk().opened()
            talk.say(*packets([HELLO, close(code, reason), *after], chop))
            heard = await talk.ended()
            assert heard[-1] == (0x80 | CLOSE, code.to_bytes(2) + reason)
            assert ended_with(heard, code) == [HEARD]


async def test_a_close_without_a_code_is_answered_without_one() -> None:
    talk = await Talk().opened()
    talk.say(HELLO + frame(CLOSE))
    assert ended_with(await talk.ended(), None) == [HEARD]


@pytest.mark.parametrize("code", [1000, None])
async def test_a_close_amid_a_fragmented_message(code: int | None) -> None:
    """7.1.5: a control frame may come between fragments (RFC 6455, 5.4)."""
    talk = await Talk().opened()
    talk.say(frame(TEXT, b"1", fin=False) + (frame(CLOSE) if code is None else close(code)) + frame(CONT, b"2"))
    assert ended_with(await talk.ended(), code) == []


async def test_a_close_whose_reason_is_no_text() -> None:
    """7.5.1"""
    talk = await Talk().opened()
    talk.say(close(1000, KOSME + b"\xed\xa0\x80edited"))
    assert ended_with(await talk.ended(), 1007) == []


async def test_a_large_message_and_a_close_in_one_packet() -> None:
    """7.1.6"""
    talk = await Talk().opened()
    talk.say(frame(TEXT, b"BAsd7&jh23" * 20_000) + HELLO + END + frame(PING))
    assert ended_with(await talk.ended(), 1000) == [(0x80 | TEXT, b"BAsd7&jh23" * 20_000), HEARD]


# The messages that the application is given, and may answer, after the peer's last word


async def test_a_close_waits_for_an_application_that_has_not_read_everything() -> None:
    go = asyncio.Event()
    seen: list[Message] = []

    async def slow(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        seen.append(await receive())
        await send({"type": "websocket.send", "text": "an answer"})
        await send({"type": "websocket.send", "bytes": b"another"})
        seen.append(await receive())
        with pytest.raises(ConnectionGone):
            await send({"type": "websocket.send", "text": "too late"})

    talk = await Talk(slow).opened()
    talk.say(HELLO + frame(PING) + close(4000, b"why") + HELLO, HELLO)
    assert talk.heard() == [(0x80 | PONG, b"")]
    assert not talk.transport.over
    assert talk.connection.due() is None
    go.set()
    assert ended_with(await talk.ended(), 4000) == [(0x80 | TEXT, b"an answer"), (0x80 | BINARY, b"another")]
    assert seen == [
        {"type": "websocket.receive", "text": "Hello"},
        {"type": "websocket.disconnect", "code": 4000, "reason": "why"},
    ]


async def test_the_last_word_is_followed_by_reading_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the peer has gone, or for a while: what isn't read would reset the connection, and our close be lost."""
    monkeypatch.setattr(peer_connection, "CLOSE_TIMEOUT", 0.0)
    talk = await Talk().opened()
    talk.say(HELLO + END)
    await asyncio.wait_for(talk.transport.ended.wait(), WAIT)
    assert talk.transport.eof
    talk.say(HELLO, frame(PING), b"anything")
    await asyncio.wait_for(talk.transport.aborted.wait(), WAIT)
    assert ended_with(await talk.ended(), 1000) == [HEARD]


@pytest.mark.parametrize("error", [OSError(107, "not connected"), NotImplementedError()])
async def test_a_last_word_that_nothing_can_follow(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    talk = await Talk().opened()

    def fail() -> None:
        raise error

    monkeypatch.setattr(talk.transport, "write_eof", fail)
    talk.say(END)
    assert ended_with(await talk.ended(), 1000) == []
    assert talk.transport.over == "closed"


async def test_a_close_does_not_wait_for_an_application_that_never_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_connection, "CLOSE_TIMEOUT", 0.0)
    over = asyncio.Event()

    async def deaf(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await over.wait()

    talk = await Talk(deaf).opened()
    talk.say(HELLO * READ_AHEAD + END)
    assert not talk.transport.reading
    await asyncio.wait_for(talk.transport.ended.wait(), WAIT)
    assert talk.transport.reading
    over.set()
    assert ended_with(await talk.ended(), 1000) == []


@pytest.mark.parametrize("last", ["close", "return", "raise", "shutdown", "lost"])
async def test_other_ends_while_a_close_waits(last: str) -> None:
    go = asyncio.Event()

    async def ends(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        if last == "close":
            await send({"type": "websocket.close", "code": 4321})
        elif last == "raise":
            raise LookupError

    talk = await Talk(ends).opened()
    talk.say(HELLO + close(4000))
    assert not talk.transport.over
    if last == "shutdown":
        talk.connection.shutdown()
    elif last == "lost":
        talk.connection.connection_lost(None)
        talk.transport.close()
    with capture_logs() as logs:
        go.set()
        heard = await talk.ended()
    # The peer's close is answered with its own code.
    assert heard == [] if last == "lost" else ended_with(heard, 4000) == []
    assert [entry["event"] for entry in logs] == (["websocket.failed"] if last == "raise" else [])


async def test_a_send_that_waits_for_a_peer_that_has_closed_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_connection, "CLOSE_TIMEOUT", 0.0)
    failed = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        try:
            await send({"type": "websocket.send", "text": "never taken"})
        except OSError:
            failed.set()

    talk = await Talk(app).opened()
    talk.transport.waiting = 1
    talk.connection.pause_writing()
    talk.say(HELLO + HELLO + END)
    await asyncio.wait_for(failed.wait(), WAIT)
    # Messages that it doesn't take aren't waited for any longer either.
    await asyncio.wait_for(talk.transport.aborted.wait(), WAIT)
    assert ended_with(await talk.ended(), 1000) == []


async def test_a_peer_that_does_not_answer_a_close_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_connection, "CLOSE_TIMEOUT", 0.0)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000})

    talk = await Talk(app).opened()
    assert ended_with(await talk.ended(), 4000) == []
    assert talk.transport.over == "aborted"


@pytest.mark.parametrize("said", [close(4000), close(1000), frame(CLOSE), frame(TEXT, b"1", fin=False) + close(4000)])
async def test_a_close_that_is_answered_is_not_answered_again(said: bytes) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000})

    talk = await Talk(app).opened()
    await asyncio.gather(*talk.server.tasks)
    assert ended_with(talk.heard(), 4000) == []
    talk.say(HELLO, frame(PING, b"?"), said)
    assert talk.transport.over == "closed"
    assert await talk.ended() == [(0x80 | PONG, b"?")]


@pytest.mark.parametrize("message", [{"code": 1006}, {"code": 4000, "reason": "*" * 124}])
async def test_a_close_that_can_not_be_sent_is_the_application_s_failure(message: Message) -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", **message})

    with capture_logs() as logs:
        talk = await Talk(app).opened()
        await asyncio.gather(*talk.server.tasks)
        assert ended_with(talk.heard(), 1011) == []
    assert [entry["event"] for entry in logs] == ["websocket.failed"]
    talk.say(close(1011))
    assert await talk.ended() == []


# Bytes after the end are not read for ever


async def refuse(scope: Message, receive: Receive, send: Send) -> None:
    """Answer with a response that goes on."""
    await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"no", "more_body": True})
    await asyncio.Event().wait()


async def depart(scope: Message, receive: Receive, send: Send) -> None:
    """Accept, and close."""
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": 4000})


async def linger(scope: Message, receive: Receive, send: Send) -> None:
    """Accept, and read nothing."""
    await send({"type": "websocket.accept"})
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("app", "first"),
    [(refuse, b""), (linger, HELLO + END), (linger, frame(TEXT, b"x", masked=False)), (echo, END)],
    ids=["refused", "ending", "ending by an error", "closed"],
)
async def test_a_flood_after_the_end_is_not_read(app: App, first: bytes) -> None:
    talk = Talk(app)
    await asyncio.wait_for(talk.transport.wrote.wait(), WAIT)
    talk.transport.written.clear()
    if first:
        talk.say(first)
    read = 0
    while talk.transport.reading and read < 10 * message_reader.LATE_BYTES:
        read += len(flood := frame(PING) * 1000)
        talk.say(flood)
    assert message_reader.LATE_BYTES < read < 2 * message_reader.LATE_BYTES
    assert (0x80 | PONG, b"") not in ([] if app is refuse else talk.heard())
    await abandoned(talk)


async def abandoned(talk: Talk) -> None:
    """Let the connection go, and the application with it."""
    talk.connection.connection_lost(None)
    for task in list(talk.server.tasks):
        task.cancel()
    await asyncio.gather(*talk.server.tasks, return_exceptions=True)


@pytest.mark.parametrize("flood", [frame(PING), frame(PONG), HELLO, frame(TEXT, fin=False)])
@pytest.mark.parametrize("size", [1, 7, 1000, 200_000])
async def test_little_is_parsed_while_an_answer_to_a_close_is_awaited(flood: bytes, size: int) -> None:
    """However it comes. Bytes that aren't parsed then aren't read either, until the peer has had its time."""
    talk = await Talk(depart).opened()
    await asyncio.gather(*talk.server.tasks)
    talk.heard()
    flood, at = flood * 50_000 if flood[0] & 0x80 else flood + frame(CONT, fin=False) * 50_000, 0
    while talk.transport.reading and at < len(flood):
        talk.say(flood[at : at + size])
        at += size
    assert not talk.transport.reading
    assert talk.connection._open_inbound().ignored <= message_reader.LATE_FRAMES + message_reader.SLICE // 6
    assert talk.transport.over == ""
    await abandoned(talk)


async def test_what_was_under_way_does_not_hide_the_answer_to_a_close() -> None:
    """A large message, say, of which half was sent before our close was seen."""
    talk = await Talk(depart).opened()
    await asyncio.gather(*talk.server.tasks)
    talk.heard()
    talk.say(*packets([HELLO * 50, frame(BINARY, bytes(MAX_SIZE)), frame(PING, b"?"), close(4000)], "whole"))
    assert talk.transport.over == "closed"
    assert await talk.ended() == [(0x80 | PONG, b"?")]


async def test_large_frames_are_not_read_on_either() -> None:
    talk = await Talk(depart).opened()
    await asyncio.gather(*talk.server.tasks)
    for _ in range(3):
        assert talk.transport.reading
        talk.say(frame(BINARY, bytes(MAX_SIZE // 2)))
    assert not talk.transport.reading
    await abandoned(talk)


async def test_a_peer_that_has_left_is_not_handed_over() -> None:
    """ConnectionGone, as for whatever else is sent to it; nothing is logged as a failure."""
    go = asyncio.Event()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await go.wait()
        with pytest.raises(ConnectionGone):
            scope["extensions"][EXTENSION]["hand_over"](None)
        raise ConnectionGone

    with capture_logs() as logs:
        for end in ("lost", "shutdown"):
            go.clear()
            talk = Talk(app)
            await asyncio.sleep(0)
            if end == "lost":
                talk.transport.close()
                talk.connection.connection_lost(None)
            else:
                talk.connection.shutdown()
            go.set()
            await asyncio.gather(*talk.server.tasks)
            if end == "shutdown":
                talk.connection.connection_lost(None)
    assert logs == []
