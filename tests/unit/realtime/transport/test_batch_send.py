"""The same bytes to many sockets: through a ring, and one by one."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from array import array
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from liveserver.realtime.transport import batch_send
from liveserver.realtime.transport.batch_send import ENTRIES, FEW, IoUring, send_all

if TYPE_CHECKING:
    from collections.abc import Iterator

SEND_BUFFER = 4096


@pytest.fixture(params=["ring", "one by one"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the bytes go."""
    if request.param == "ring":
        try:
            IoUring()
        except OSError as error:
            pytest.skip(f"io_uring: {error}")
        monkeypatch.setattr(batch_send, "_one_by_one", None)
        assert batch_send.batched()
    else:
        monkeypatch.setattr(batch_send._Local, "allowed", True)
        batch_send.one_by_one()
        assert not batch_send.batched()


class Pairs:
    """Sockets that don't block, and their peers."""

    def __init__(self, count: int) -> None:
        pairs = [socket.socketpair() for _ in range(count)]
        self.here = [here for here, _ in pairs]
        self.peers = [peer for _, peer in pairs]
        for one in (*self.here, *self.peers):
            one.setblocking(False)

    def descriptors(self) -> array[int]:
        return array("i", [here.fileno() for here in self.here])

    def close(self) -> None:
        for one in (*self.here, *self.peers):
            one.close()


@pytest.fixture
def pairs() -> Iterator[Pairs]:
    made = Pairs(FEW + 4)
    yield made
    made.close()


@pytest.mark.usefixtures("way")
def test_everyone_has_the_same_in_order() -> None:
    """Any number of viewers has the same, more than one call takes included; also after the queues have gone round."""
    pairs = Pairs(2 * ENTRIES + 7)
    for number in range(3 * ENTRIES // 100):
        count = (number * 389) % len(pairs.here) + 1
        chosen = pairs.descriptors()[-max(count, FEW + 1) :]
        data = b"%d " % number * 5
        assert send_all(chosen, data) == []
        assert {peer.recv(4096) for peer in pairs.peers[-len(chosen) :]} == {data}
        assert all(unread(peer) == b"" for peer in pairs.peers[: -len(chosen)])
    pairs.close()


@pytest.mark.usefixtures("way")
def test_one_message_after_another(pairs: Pairs) -> None:
    """Shorter, longer, of the same length, the same again, and nothing at all."""
    sent = [b"one", b"three", b"six", b"six", b"", b"four", b"four" * 100]
    for data in sent:
        assert send_all(pairs.descriptors(), data) == []
    assert {unread(peer) for peer in pairs.peers} == {b"".join(sent)}


@pytest.mark.usefixtures("way")
def test_a_socket_that_did_not_take_it_is_found_wherever_it_stands() -> None:
    """Also where the queue goes on at its beginning."""
    pairs = Pairs(3 * ENTRIES // 2)
    gone = [*range(0, len(pairs.peers), 3), len(pairs.peers) - 1]
    for place in gone:
        pairs.peers[place].close()
    descriptors = pairs.descriptors()
    for first in range(5):
        expected = [(place - first, -errno.EPIPE) for place in gone if place >= first]
        assert send_all(descriptors[first:], b"x") == expected
    pairs.close()


@pytest.mark.usefixtures("way")
def test_a_socket_without_room(pairs: Pairs) -> None:
    """Says how much it took, or EAGAIN; the others have all of it."""
    data = os.urandom(60_000)
    pairs.here[2].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    [(place, sent)] = send_all(pairs.descriptors(), data)
    assert place == 2
    assert 0 < sent < len(data)
    assert pairs.peers[2].recv(len(data)) == data[:sent]
    fill(pairs.here[2])
    for peer in pairs.peers:
        unread(peer) if peer is not pairs.peers[2] else None
    assert send_all(pairs.descriptors(), data) == [(2, -errno.EAGAIN)]
    assert [unread(peer) for place, peer in enumerate(pairs.peers) if place != 2] == [data] * (len(pairs.peers) - 1)


@pytest.mark.usefixtures("way")
def test_a_peer_that_is_gone(pairs: Pairs) -> None:
    """Is one of those that didn't take it, and nobody is killed by a signal."""
    pairs.peers[1].close()
    pairs.peers[5].close()
    assert send_all(pairs.descriptors(), b"x") == [(1, -errno.EPIPE), (5, -errno.EPIPE)]
    assert [unread(pairs.peers[place]) for place in (0, 2, 3, 4, 6, 7)] == [b"x"] * 6


@pytest.mark.usefixtures("way")
def test_a_descriptor_that_is_none(pairs: Pairs) -> None:
    """Doesn't keep the others from theirs."""
    descriptors = pairs.descriptors()
    pairs.here[3].close()
    assert send_all(descriptors, b"x") == [(3, -errno.EBADF)]


def test_few() -> None:
    """Or none."""
    pairs = Pairs(FEW)
    assert send_all(array("i"), b"x") == []
    assert send_all(pairs.descriptors(), b"x") == []
    assert {unread(peer) for peer in pairs.peers} == {b"x"}
    pairs.close()


def test_each_thread_has_a_ring_of_its_own(pairs: Pairs) -> None:
    """A ring refuses to serve another thread than its own."""
    found = []
    assert send_all(pairs.descriptors(), b"here") == []
    thread = threading.Thread(target=lambda: found.append(send_all(pairs.descriptors(), b" there")))
    thread.start()
    thread.join()
    assert found == [[]]
    assert {unread(peer) for peer in pairs.peers} == {b"here there"}


def test_what_the_kernel_refuses_to_take_is_for_the_transport(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call fails, or takes some: the rest is told as if their buffers were full, and the next call is right."""
    ring = own_ring()
    kernel = ring._syscall
    calls = 0

    def syscall(number: int, descriptor: int, count: int, least: int, *more: int) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            return -1
        if calls == 1:
            count = least = 3
        submitted: int = kernel(number, descriptor, count, least, *more)
        return submitted

    monkeypatch.setattr(ring, "_syscall", syscall)
    rest = [(place, -errno.EAGAIN) for place in range(3, len(pairs.here))]
    assert ring.send(pairs.descriptors(), b"one") == rest
    assert ring.send(pairs.descriptors(), b"two") == []
    assert [unread(peer) for peer in pairs.peers] == [b"onetwo"] * 3 + [b"two"] * len(rest)


def test_a_ring_leaves_nothing_open() -> None:
    """Neither its descriptor nor those of what it shares with the kernel."""
    ring = own_ring()
    before = set(Path("/proc/self/fd").iterdir())
    del ring
    assert len(before - set(Path("/proc/self/fd").iterdir())) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="there is io_uring on Linux only")
def test_a_kernel_that_refuses(monkeypatch: pytest.MonkeyPatch, pairs: Pairs) -> None:
    """Is no error: it is done one by one."""

    class Refused(IoUring):
        def __init__(self) -> None:
            self._descriptor = -1
            raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(batch_send, "IoUring", Refused)
    monkeypatch.setattr(batch_send, "_local", batch_send._Local())
    assert not batch_send.batched()
    assert send_all(pairs.descriptors(), b"x") == []
    assert {unread(peer) for peer in pairs.peers} == {b"x"}


def own_ring() -> IoUring:
    try:
        return IoUring()
    except OSError as error:
        pytest.skip(f"io_uring: {error}")


def unread(peer: socket.socket) -> bytes:
    try:
        return peer.recv(1 << 20)
    except BlockingIOError:
        return b""


def fill(here: socket.socket) -> None:
    try:
        while True:
            here.send(b"x")
    except BlockingIOError:
        return
