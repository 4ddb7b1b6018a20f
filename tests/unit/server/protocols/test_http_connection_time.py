"""HttpConnection: the time of heads and bodies, and what is read of a body meanwhile. No sockets, no clock."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from liveserver.server.protocols.http_connection import BODY_RATE
from liveserver.server.protocols.http_protocol import BODILESS, BODY_WAITING
from liveserver.utils.limits.refusals import Reason
from tests.support.http_stage import BODY_SECONDS, GET, HEAD_SECONDS, OK, UPGRADE, Stage, head


async def test_a_silent_connection_is_ended_without_a_word(stage: Stage) -> None:
    peer = stage.connect()
    stage.loop.pass_time(HEAD_SECONDS - 1)
    assert not peer.over
    stage.loop.pass_time(1)
    assert peer.transport.over == "closed"
    assert peer.transport.written == []
    assert len(stage.wheel) == 0


async def test_a_head_that_comes_drop_by_drop_is_408(stage: Stage) -> None:
    peer = stage.connect()
    for _ in range(HEAD_SECONDS):
        assert not peer.over
        peer.send(b"GET / HTTP/1.1\r\n" if not stage.loop.now else b"a: b\r\n")
        stage.loop.pass_time(1)
    assert (peer.status(), peer.transport.eof) == (408, True)
    assert stage.refused() == {Reason.HEAD_TOO_SLOW: 1}


async def test_a_head_of_a_further_request_has_its_own_time(stage: Stage) -> None:
    peer = stage.connect()
    stage.loop.pass_time(HEAD_SECONDS - 1)
    peer.send(GET)
    assert await peer.settled() == OK
    assert len(stage.wheel) == 0, "until its first byte comes, uvicorn's own timer runs"
    peer.send(b"GET / HT")
    stage.loop.pass_time(HEAD_SECONDS - 1)
    assert not peer.over
    peer.send(b"TP/1.1\r\nHost: here\r\n\r\n")
    assert await peer.settled() == OK * 2
    peer.send(b"GET")
    stage.loop.pass_time(HEAD_SECONDS)
    assert peer.status() == 408


@pytest.mark.parametrize("answered", [True, False])
async def test_a_body_that_does_not_come_is_408(stage: Stage, *, answered: bool) -> None:
    """If the request had no answer yet."""
    stage.reads = not answered
    peer = stage.connect()
    peer.send(head(b"Content-Length: 10", method=b"POST") + b"half")
    if answered:
        assert await peer.settled() == OK
    else:
        # The application has what came, and waits for the rest.
        for _ in range(3):
            await asyncio.sleep(0)
    stage.loop.pass_time(BODY_SECONDS - 1)
    assert not peer.over
    stage.loop.pass_time(1)
    assert peer.over
    await peer.settled()
    assert peer.status() == (200 if answered else 408)
    assert stage.bodies == [b"" if answered else b"disconnected"]
    assert stage.refused() == {Reason.BODY_TOO_SLOW: 1}


async def test_a_picture_on_a_slow_line_has_its_time(stage: Stage) -> None:
    """While it comes at the least rate; then it stops."""
    peer = stage.connect()
    size = 20 * 1024 * 1024
    peer.send(head(b"Content-Length: %d" % size, method=b"POST"))
    for _ in range(20 * BODY_SECONDS):
        peer.send(bytes(BODY_RATE))
        await asyncio.sleep(0)
        stage.loop.pass_time(1)
    assert not peer.over
    stage.loop.pass_time(BODY_SECONDS)
    assert peer.status() == 408


async def test_what_came_of_one_body_is_not_asked_of_the_next(stage: Stage) -> None:
    peer = stage.connect()
    for rounds in (3, 1):
        size = rounds * BODY_SECONDS * BODY_RATE
        peer.send(head(b"Content-Length: %d" % (size + 1), method=b"POST"))
        for _ in range(rounds):
            peer.send(bytes(BODY_SECONDS * BODY_RATE))
            await asyncio.sleep(0)
            stage.loop.pass_time(BODY_SECONDS)
        assert not peer.over
        peer.send(b"x")
        await peer.settled()
    assert b"".join(peer.transport.written) == OK * 2


async def test_a_body_that_nobody_wants_does_not_have_it(stage: Stage) -> None:
    """However fast it comes: its answer has been sent."""
    stage.reads = False
    peer = stage.connect()
    peer.send(head(b"Transfer-Encoding: chunked", method=b"POST"))
    assert await peer.settled() == OK
    for _ in range(BODY_SECONDS):
        assert not peer.over
        peer.send(b"%x\r\n%b\r\n" % (10 * BODY_RATE, bytes(10 * BODY_RATE)))
        stage.loop.pass_time(1)
    assert peer.over


async def test_a_request_that_waits_for_its_answer_is_not_late(stage: Stage) -> None:
    stage.gate.clear()
    peer = stage.connect()
    # The start of the next one is there already.
    peer.send(GET)
    peer.send(b"GET / HT")
    stage.loop.pass_time(10 * HEAD_SECONDS)
    assert not peer.over
    stage.gate.set()
    assert await peer.settled() == OK
    peer.send(b"TP/1.1\r\nHost: here\r\n\r\n")
    assert await peer.settled() == OK * 2
    assert len(stage.wheel) == 0


async def test_a_client_that_is_kept_waiting_with_a_body_is_not_late(stage: Stage) -> None:
    """The application doesn't read on: what the client sends stays in the kernel."""
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 1000000", method=b"POST") + bytes(100_000))
    assert not peer.transport.reading
    stage.loop.pass_time(10 * BODY_SECONDS)
    assert not peer.over


async def test_a_body_waits_in_the_kernel_until_it_is_wanted(stage: Stage) -> None:
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 1000000", method=b"POST") + bytes(BODY_WAITING))
    assert peer.transport.reading
    peer.send(b"x")
    assert not peer.transport.reading


async def test_what_comes_of_a_body_after_the_answer_is_read(stage: Stage) -> None:
    """And not kept: else nobody would see that the client has gone."""
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 1000000", method=b"POST") + bytes(2 * BODY_WAITING))
    assert not peer.transport.reading
    stage.gate.set()
    assert await peer.settled() == OK
    assert peer.transport.reading
    assert peer.protocol.cycle.body == b""
    peer.send(bytes(2 * BODY_WAITING))
    assert peer.transport.reading
    assert peer.protocol.cycle.body == b""


@pytest.mark.parametrize("method", sorted(BODILESS))
async def test_a_body_that_means_nothing_is_not_kept(stage: Stage, method: str) -> None:
    """Nor read, until the answer is there."""
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 100000", method=method.encode()) + bytes(10))
    assert not peer.transport.reading
    peer.send(bytes(9_990), pieces=5_000)
    assert peer.protocol.cycle.body == b""
    stage.gate.set()
    assert (await peer.settled()).startswith(b"HTTP/1.1 200 OK\r\n")
    assert peer.transport.reading
    peer.send(bytes(90_000) + head(method=method.encode()))
    assert (await peer.settled()).count(b"200 OK") == 2


async def test_a_viewer_that_sent_a_body_is_read_from(stage: Stage) -> None:
    """Else nobody would see that it has gone."""
    stage.gate.clear()
    stage.reads = False
    peer = stage.connect()
    peer.send(head(b"Content-Length: 1000") + b"x")
    assert not peer.transport.reading
    await asyncio.sleep(0)
    peer.protocol.hand_over(cast("Any", None), 200, (), b"")
    assert peer.transport.reading


async def test_a_connection_that_is_lost_is_awaited_no_more(stage: Stage) -> None:
    for data in (b"", b"GET", head(b"Content-Length: 10", method=b"POST")):
        peer = stage.connect()
        peer.send(data) if data else None
        assert len(stage.wheel) == 1
        peer.protocol.connection_lost(None)
        assert len(stage.wheel) == 0
        await peer.settled()


async def test_an_upgrade_is_awaited_no_more(stage: Stage) -> None:
    peer = stage.connect()
    peer.send(UPGRADE % (b"/", b""))
    assert len(stage.wheel) == 0
    assert b"403" in await peer.settled()


async def test_a_viewer_is_awaited_no_more(stage: Stage) -> None:
    """The missing rest of its request isn't waited for."""
    stage.reads = False
    stage.gate.clear()
    peer = stage.connect()
    peer.send(head(b"Content-Length: 10"))
    assert len(stage.wheel) == 1
    peer.protocol.hand_over(cast("Any", None), 200, (), b"")
    assert len(stage.wheel) == 0
    room = peer.protocol.room
    kept = (room.idle, room.resting, room.leaving, room.receiving, room.unread)
    assert [len(collection) for collection in kept] == [0] * len(kept), "it would be there for ever"
