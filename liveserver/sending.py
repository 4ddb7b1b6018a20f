"""The same bytes to many sockets, in one call into the kernel where Linux allows it (io_uring(7), since 6.1).

A loop of writes pays twice for each socket: for the interpreter's way to the system call, and for the call. Through a
ring of submissions in memory that the kernel shares, one call takes hundreds of writes. Where that is refused (another
system, an older kernel, the seccomp profile of Docker, `kernel.io_uring_disabled`), the loop does the same.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import sys
import threading
from array import array
from socket import MSG_DONTWAIT, MSG_NOSIGNAL
from typing import TYPE_CHECKING, ClassVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRIES = 512
"""Writes in one call: a power of two."""

FEW = 4
"""So many are written sooner by themselves than a submission is filled in."""

# include/uapi/linux/io_uring.h; the two calls have these numbers on every architecture but Alpha.
SYS_SETUP, SYS_ENTER = 425, 426
SINGLE_ISSUER, DEFER_TASKRUN = 1 << 12, 1 << 13
GETEVENTS = 1
OP_SEND = 26
OFFSET_SUBMISSIONS = 0x10000000
PARAMS_BYTES = 120
"""`struct io_uring_params`: sq_entries, cq_entries, flags, …; `sq_off` from 40 on, `cq_off` from 80 on."""
SUBMISSION = struct.Struct("=BBHiQQIIQ24x")
"""`struct io_uring_sqe`: opcode, flags, ioprio, fd, off, addr, len, msg_flags, user_data."""
COMPLETION_BYTES = 16
"""`struct io_uring_cqe`: user_data, res, flags."""

log = structlog.get_logger(__name__)


def send_all(descriptors: Sequence[int], data: bytes) -> list[tuple[int, int]]:
    """Write to each of the sockets, which must be such as don't block.

    Returns those that didn't take the whole: their places in `descriptors`, each with the number of bytes that it took,
    or with a negative errno. Never raises.
    """
    ring = _ring() if len(descriptors) > FEW else None
    if ring is None:
        return _one_by_one(descriptors, data)
    rest = []
    for start in range(0, len(descriptors), ENTRIES):
        rest += [(start + place, sent) for place, sent in ring.send(descriptors[start : start + ENTRIES], data)]
    return rest


def batched() -> bool:
    """Whether one call writes to many, in this thread."""
    return _ring() is not None


def one_by_one() -> None:
    """Don't use io_uring in this process."""
    _Local.allowed = False


def _one_by_one(descriptors: Sequence[int], data: bytes) -> list[tuple[int, int]]:
    size = len(data)
    rest = []
    for place, descriptor in enumerate(descriptors):
        try:
            sent = os.write(descriptor, data)
        except OSError as error:
            rest.append((place, -(error.errno or errno.EIO)))
        else:
            if sent != size:
                rest.append((place, sent))
    return rest


class Ring:
    """A queue of submissions and one of completions, for the thread that makes it and no other.

    What is submitted is done when the call returns, in whole, in part, or not at all: a request with MSG_DONTWAIT is
    never kept by the kernel. So both queues are empty between two calls, and neither side waits for the other.

    Raises OSError if the kernel refuses.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._syscall = libc.syscall
        self._syscall.argtypes = [ctypes.c_long] * 7
        self._syscall.restype = ctypes.c_long
        params = ctypes.create_string_buffer(PARAMS_BYTES)
        struct.pack_into("=I", params, 8, SINGLE_ISSUER | DEFER_TASKRUN)
        self._descriptor = self._syscall(SYS_SETUP, ENTRIES, ctypes.addressof(params), 0, 0, 0, 0)
        if self._descriptor < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        completions = struct.unpack_from("=I", params, 4)[0]
        sq_head, sq_tail, *_, order = struct.unpack_from("=7I", params, 40)
        cq_head, cq_tail, _, _, _, cqes = struct.unpack_from("=6I", params, 80)

        size = max(order + 4 * ENTRIES, cqes + COMPLETION_BYTES * completions)
        rings = memoryview(mmap.mmap(self._descriptor, size))
        submissions = memoryview(mmap.mmap(self._descriptor, SUBMISSION.size * ENTRIES, offset=OFFSET_SUBMISSIONS))
        for place in range(ENTRIES):
            fields = (OP_SEND, 0, 0, -1, 0, 0, 0, MSG_DONTWAIT | MSG_NOSIGNAL, place)
            SUBMISSION.pack_into(submissions, SUBMISSION.size * place, *fields)
        self._sockets = submissions.cast("i")[1::16]
        self._addresses = submissions.cast("Q")[2::8]
        self._lengths = submissions.cast("I")[6::16]
        # The order of submission is a queue by itself, of places among the submissions; it always begins at the first.
        self._order = rings[order : order + 4 * ENTRIES].cast("I")
        self._twice = memoryview(array("I", [*range(ENTRIES)] * 2))
        words = rings.cast("I")
        self._head, self._tail = words[sq_head // 4 : sq_head // 4 + 1], words[sq_tail // 4 : sq_tail // 4 + 1]
        self._seen, self._done = words[cq_head // 4 : cq_head // 4 + 1], words[cq_tail // 4 : cq_tail // 4 + 1]
        results = rings[cqes : cqes + COMPLETION_BYTES * completions]
        self._places, self._results = results.cast("Q")[0::2], results.cast("i")[2::4]

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def send(self, descriptors: Sequence[int], data: bytes) -> list[tuple[int, int]]:
        """As `send_all`, for at most `ENTRIES` sockets."""
        count, size = len(descriptors), len(data)
        lengths = array("I", [size]) * count
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        self._sockets[:count] = memoryview(array("i", descriptors))
        self._addresses[:count] = memoryview(array("Q", [address]) * count)
        self._lengths[:count] = memoryview(lengths)
        start = -self._tail[0] % ENTRIES
        self._order[:] = self._twice[start : start + ENTRIES]
        submitted = self._submit(count)

        head = self._seen[0]
        results = self._taken(self._results, head, submitted)
        rest = []
        if results != lengths.tobytes():
            places = array("Q", self._taken(self._places, head, submitted))
            rest = [(place, sent) for place, sent in zip(places, array("i", results), strict=True) if sent != size]
            # What couldn't even be submitted goes through the transport, like what finds a full buffer.
            rest += [(place, -errno.EAGAIN) for place in range(submitted, count)]
        self._seen[0] = (head + submitted) & 0xFFFFFFFF
        return rest

    def _submit(self, count: int) -> int:
        """Hand the first submissions to the kernel; how many it took."""
        tail = self._tail[0]
        self._tail[0] = (tail + count) & 0xFFFFFFFF
        submitted = 0
        while submitted < count:
            taken = self._syscall(SYS_ENTER, self._descriptor, count - submitted, count, GETEVENTS, 0, 0)
            if taken <= 0:
                self._tail[0] = self._head[0]
                break
            submitted += taken
        return submitted

    @staticmethod
    def _taken(field: memoryview, head: int, count: int) -> bytes:
        """A field of the next completions, which may go on at the queue's beginning."""
        first = head % len(field)
        return field[first : first + count].tobytes() + field[: max(first + count - len(field), 0)].tobytes()


def _ring() -> Ring | None:
    return _local.ring if _Local.allowed else None


class _Local(threading.local):
    """Called anew in each thread."""

    allowed: ClassVar = True
    """In all of them."""

    def __init__(self) -> None:
        self.ring: Ring | None = None
        if sys.platform == "linux":
            try:
                self.ring = Ring()
            except OSError as error:
                log.debug("sending.one_by_one", reason=str(error))


_local = _Local()
