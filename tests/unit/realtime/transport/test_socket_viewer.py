"""Writing to viewers, on real sockets and both event loops: in order, whole, and bounded."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import sys
from typing import TYPE_CHECKING

import pytest
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode

from liveserver.protocol.close_codes import CLOSE_RESTART
from liveserver.realtime.transport.event_stream_viewer import EventStreamViewer
from liveserver.realtime.viewer import ViewerSet
from tests.support.viewer_seat import ANSWER, ENCODINGS, MANY, at_once, frame, masked, on_both_loops, seat
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from liveserver.protocol.frames import Frame
    from liveserver.realtime.viewer import Viewer

pytestmark = pytest.mark.usefixtures("way")


@on_both_loops
async def test_bytes_go_straight_to_the_socket() -> None:
    """Each viewer's own encoding, within the call, and not through the transport."""
    for kind, encoding in ENCODINGS:
        here = await seat(kind)
        for one in (frame(1), frame(2, 500), frame(3, 20_000)):
            data = getattr(one, encoding)
            assert here.viewer.write(one) is True
            assert at_once(here.peer, len(data)) == data
        assert here.transport.written == []
        await here.leave()


@on_both_loops
async def test_nothing_overtakes_the_answer_to_the_handshake() -> None:
    """It may still wait in the transport when the first messages are written."""
    here = await seat(first=ANSWER)
    frames = [frame(seq) for seq in range(3)]
    assert all(here.viewer.write(one) for one in frames)
    expected = ANSWER + b"".join(one.ws for one in frames)
    assert await here.read(len(expected)) == expected
    # Once the transport is empty, it is left out.
    before = list(here.transport.written)
    assert here.viewer.write(frame(9))
    assert at_once(here.peer, len(frame(9).ws)) == frame(9).ws
    assert here.transport.written == before
    await here.leave()


@on_both_loops
async def test_the_answer_that_opens_goes_with_the_first_message() -> None:
    """In one write; by itself if there is none; and before whatever else there is to say."""
    for kind, encoding in ENCODINGS:
        for tls in (False, True):
            here = await seat(kind, opening=ANSWER, tls=tls)
            assert here.viewer.write(frame(1))
            assert at_once(here.peer, 1) == ANSWER[:1]
            expected = ANSWER[1:] + getattr(frame(1), encoding)
            assert select.select([here.peer], [], [], PATIENCE)[0]
            assert here.peer.recv(65536) == expected
            assert here.transport.written == ([ANSWER + getattr(frame(1), encoding)] if tls else [])
            assert here.viewer.write(frame(2))
            assert at_once(here.peer, len(getattr(frame(2), encoding))) == getattr(frame(2), encoding)
            await here.leave()
        here = await seat(kind, opening=ANSWER)
        assert await here.read(len(ANSWER)) == ANSWER
        assert here.viewer.write(frame(1))
        assert await here.read(len(getattr(frame(1), encoding))) == getattr(frame(1), encoding)
        await here.leave()
        here = await seat(kind, opening=ANSWER)
        here.viewer.close(CLOSE_RESTART)
        assert (await here.rest()).startswith(ANSWER)
    here = await seat(opening=ANSWER)
    here.viewer.data_received(masked(Opcode.PING, b"x"))
    assert await here.read(len(ANSWER) + 3) == ANSWER + WebSocketFrame(Opcode.PONG, b"x").serialize(mask=False)
    await here.leave()


@on_both_loops
async def test_nothing_overtakes_an_answer_of_the_viewers_own() -> None:
    """A pong that waits in the transport, perhaps half written, goes first; also when there is room again before it."""
    here = await seat(room=4096)
    assert here.viewer.write(frame(1))
    pings, here.events.asks = 0, MANY
    while not here.transport.get_write_buffer_size():
        here.viewer.data_received(masked(Opcode.PING, b"x" * 125))
        pings += 1
    early = here.peer.recv(65536)
    here.client.receive_data(early)
    assert here.viewer.write(frame(2))
    here.client.events_received()
    rest = 2 + 10 + pings * 127 + 2 + 10 - len(early)
    here.client.receive_data(await here.read(rest))
    last = here.client.events_received()[-1]
    assert here.client.parser_exc is None
    assert isinstance(last, WebSocketFrame)
    assert last.data == frame(2).message
    await here.leave()


@on_both_loops
async def test_a_peer_that_reads_later_has_everything_in_order() -> None:
    """Short writes and full buffers lose nothing, double nothing; what was refused was not begun."""
    for kind, encoding in ENCODINGS:
        here = await seat(kind, room=4096)
        taken = here.fill()
        assert len(taken) > 20
        assert here.transport.written
        assert len(here.transport.written) < len(taken)
        expected = b"".join(getattr(one, encoding) for one in taken)
        assert await here.read(len(expected)) == expected
        await here.events.until(lambda here=here: bool(here.events.drains))  # type: ignore[misc]
        one = frame(99)
        assert here.viewer.write(one) is True
        assert at_once(here.peer, len(getattr(one, encoding))) == getattr(one, encoding)
        await here.leave()


@on_both_loops
async def test_many_are_written_to_together() -> None:
    """Each viewer, whatever its state, gets all of it in order, or nothing and is reported."""
    for kind, encoding in ENCODINGS:
        follower, late, full, slow, over, gone = [
            await seat(kind, room=room, tls=tls)
            for room, tls in [(None, False), (None, False), (4096, False), (4096, False), (None, True), (None, False)]
        ]
        assert follower.viewer.write(frame(0))
        taken = {full: [frame(0, 3000)], slow: []}
        assert full.viewer.write(taken[full][0])
        while not full.transport.get_write_buffer_size():
            taken[full].append(frame(len(taken[full]), 3000))
            assert full.viewer.write(taken[full][-1])
        taken[slow] = slow.fill()
        gone.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.viewer.write(frame(0))
        gone.peer.close()
        seats = (follower, late, full, slow, over, gone)
        bundle = [frame(1), frame(2, 500), frame(3, 2000)]
        lagging = kind.write_all([here.viewer for here in seats], bundle)
        assert lagging == [(slow.viewer, 0)]
        data = b"".join(getattr(one, encoding) for one in bundle)
        for here, before in ((follower, [frame(0)]), (late, []), (full, taken[full]), (over, [])):
            expected = b"".join(getattr(one, encoding) for one in before) + data
            assert await here.read(len(expected)) == expected
        expected = b"".join(getattr(one, encoding) for one in taken[slow])
        assert await slow.read(len(expected)) == expected
        await slow.events.until(lambda slow=slow: bool(slow.events.drains))  # type: ignore[misc]
        await gone.events.until(lambda gone=gone: bool(gone.events.left))  # type: ignore[misc]
        assert kind.write_all([gone.viewer], bundle) == []
        for here in seats[:-1]:
            await here.leave()


@on_both_loops
async def test_a_row_is_written_to_as_its_viewers_stand() -> None:
    """A viewer that left gets nothing, one moved to its place everything; one behind, or ended, keeps its order."""
    for kind, encoding in ENCODINGS:
        viewer_set = ViewerSet()
        seats = [await seat(kind, room=4096 if number == 3 else None) for number in range(5)]
        first, gone, over, slow, last = seats
        for here in seats:
            viewer_set.add(here.viewer)
        [batch] = viewer_set.batches()
        said = [frame(number, 500) for number in range(6)]
        assert batch.write(said[:1]) == []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "write_all", None)
            assert batch.write(said[1:2]) == [], "while all may be written to directly, none is looked at"
            viewer_set.discard(gone.viewer)
            assert batch.write(said[2:3]) == []
        large: list[Frame] = []
        while not slow.transport.get_write_buffer_size():
            large.append(frame(len(large), 3000))
            assert slow.viewer.write(large[-1])
        assert batch.write(said[3:4]) == []
        over.viewer.close(1000)
        assert batch.write(said[4:5]) == []
        for here in (over, slow):
            viewer_set.discard(here.viewer)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kind, "write_all", None)
            assert batch.write(said[5:]) == []
        for here, frames in (
            (first, said),
            (gone, said[:2]),
            (slow, [*said[:3], *large, *said[3:5]]),
            (last, said),
        ):
            expected = b"".join(getattr(one, encoding) for one in frames)
            assert await here.read(len(expected)) == expected
            with pytest.raises(BlockingIOError):
                here.peer.recv(1)
            await here.leave()
        until_closed = await over.rest()
        expected = b"".join(getattr(one, encoding) for one in said[:4])
        assert until_closed.startswith(expected)
        assert len(until_closed) - len(expected) == (0 if kind is EventStreamViewer else 4)


@on_both_loops
async def test_one_message_larger_than_all_buffers_gets_through() -> None:
    here = await seat(room=4096)
    huge = frame(1, 1_000_000)
    assert here.viewer.write(huge) is True
    assert here.viewer.write(frame(2)) is False
    assert await here.read(len(huge.ws)) == huge.ws
    await here.events.until(lambda: bool(here.events.drains))
    assert here.viewer.write(frame(3)) is True
    await here.leave()


@on_both_loops
async def test_a_lagging_viewer_takes_and_says_nothing_until_it_has_drained() -> None:
    """It is reported once for each time that it lagged; what waits for it is bounded."""
    here = await seat(room=4096)
    for rounds in (1, 2):
        taken = here.fill()
        assert here.viewer.write(frame(99)) is False
        assert not here.transport.is_reading()
        size = here.transport.get_write_buffer_size()
        assert 64 * 1024 < size < 64 * 1024 + len(taken[0].ws) * 2
        assert here.events.drains == [here.viewer] * (rounds - 1)
        await here.read(sum(len(one.ws) for one in taken))
        await here.events.until(lambda rounds=rounds: len(here.events.drains) == rounds)  # type: ignore[misc]
        assert here.transport.is_reading()
    await asyncio.sleep(0)
    assert len(here.events.drains) == 2
    await here.leave()


@on_both_loops
async def test_a_viewer_that_is_written_to_as_it_drains_may_lag_again() -> None:
    """As the hub does, from within `writable`: nothing is lost, and it is reported again."""
    here = await seat(room=4096)
    taken = here.fill()
    refill: list[Frame] = []

    def again(viewer: Viewer, /) -> None:
        if not refill:
            refill.extend(here.fill())
        here.events.drains.append(viewer)
        here.events.heard.set()

    here.events.writable = again  # type: ignore[method-assign]
    assert await here.read(sum(len(one.ws) for one in taken)) == b"".join(one.ws for one in taken)
    assert await here.read(sum(len(one.ws) for one in refill)) == b"".join(one.ws for one in refill)
    await here.events.until(lambda: len(here.events.drains) == 2)
    await here.leave()


@on_both_loops
async def test_under_tls_nothing_is_written_past_the_transport() -> None:
    for kind, encoding in ENCODINGS:
        here = await seat(kind, tls=True, first=ANSWER)
        frames = [frame(seq, 200) for seq in range(3)]
        for one in frames:
            assert here.viewer.write(one) is True
            await asyncio.sleep(0)
        expected = [getattr(one, encoding) for one in frames]
        if kind is not EventStreamViewer:
            here.viewer.due()
            expected.append(b"\x89\x00")
        assert here.transport.written == [ANSWER, *expected]
        assert await here.read(len(b"".join(expected)) + len(ANSWER)) == ANSWER + b"".join(expected)
        await here.leave()


@on_both_loops
async def test_a_viewer_is_small() -> None:
    """It has slots only, and nothing in them that it doesn't need at rest."""
    for kind, _ in ENCODINGS:
        here = await seat(kind)
        assert not hasattr(here.viewer, "__dict__")
        assert sys.getsizeof(here.viewer) <= 176
        await here.leave()
