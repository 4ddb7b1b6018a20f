"""Pings of a WebSocket connection, and peers that answer none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from liveserver.realtime.transport.timer_wheel import wheel_of
from liveserver.realtime.transport.websocket.receive_queue import READ_AHEAD
from tests.support.websocket_peer import PING, PONG, WAIT, frame
from tests.support.websocket_talk import END, HELLO, Talk, ended_with, listen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

PINGED = (0x80 | PING, b"")


@pytest.mark.parametrize(
    ("interval", "patience", "calls"),
    [
        # Pings an interval apart, whether the answer has less time, as long, or (then they wait for it) longer.
        (20, 5, [(5, True), (15, False), (5, True), (15, False)]),
        (20, 20, [(20, True), (20, True)]),
        (5, 20, [(20, True), (20, True)]),
        (20, None, [(20, True), (20, True)]),
    ],
)
@pytest.mark.parametrize("said", [frame(PONG), frame(PING), HELLO, b"\x81"])
async def test_pings_of_a_peer_that_answers(
    interval: int, patience: int | None, calls: list[tuple[int, bool]], said: bytes
) -> None:
    """Anything that comes shows that it is there."""
    talk = await Talk(listen, ping_interval=interval, ping_timeout=patience).opened()
    for again, pinged in calls:
        assert talk.connection.due() == again
        assert talk.heard() == ([PINGED] if pinged else [])
        talk.say(said[:1])
        talk.transport.written.clear()
    talk.connection.connection_lost(None)


@pytest.mark.parametrize(("interval", "patience"), [(20, 5), (20, 20), (5, 20)])
async def test_a_silent_peer_is_dropped_when_its_time_is_over(interval: int, patience: int) -> None:
    talk = await Talk(ping_interval=interval, ping_timeout=patience).opened()
    assert talk.connection.due() == patience
    assert talk.connection.due() is None
    assert talk.transport.over == "aborted"
    assert ended_with(await talk.ended(), 1011) == [PINGED]


async def test_without_a_timeout_a_silent_peer_stays() -> None:
    talk = await Talk(ping_interval=20, ping_timeout=None).opened()
    assert [talk.connection.due() for _ in range(5)] == [20] * 5
    assert talk.heard() == [PINGED] * 5
    talk.say(END)
    await talk.ended()


async def test_without_an_interval_there_are_no_pings() -> None:
    talk = await Talk(ping_interval=0).opened()
    assert len(wheel_of(asyncio.get_running_loop())) == 0
    talk.say(END)
    await talk.ended()


async def test_a_connection_stands_on_the_wheel_while_it_is_open() -> None:
    wheel = wheel_of(asyncio.get_running_loop())
    talk = Talk()
    assert len(wheel) == 0
    await talk.opened()
    assert len(wheel) == 1
    talk.connection.connection_lost(None)
    assert len(wheel) == 0


async def test_a_peer_that_is_not_read_from_is_not_taken_for_silent() -> None:
    """The application is slow, not the peer: its pong may wait behind the messages."""
    go = asyncio.Event()
    taken: asyncio.Queue[Message] = asyncio.Queue()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        while (message := await receive())["type"] == "websocket.receive":
            await taken.put(message)

    talk = await Talk(app, ping_interval=20, ping_timeout=10).opened()
    due = talk.connection.due
    assert due() == 10
    talk.say(HELLO * READ_AHEAD)
    assert not talk.transport.reading
    # Its messages, a ping, no answer to be seen, and another ping.
    assert [due() for _ in range(4)] == [10] * 4
    assert not talk.transport.over
    go.set()
    for _ in range(READ_AHEAD):
        await asyncio.wait_for(taken.get(), WAIT)
    assert talk.transport.reading
    # A while after the last ping, so that what was read late still counts; then the next one, which isn't answered.
    assert [due(), due()] == [10, 10]
    assert due() is None
    assert talk.transport.over == "aborted"
    talk.connection.connection_lost(None)
