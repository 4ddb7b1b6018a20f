"""Sending the same bytes to many sockets, in one system call where Linux allows it (io_uring(7), since 6.1).

A loop of writes pays twice for each socket: for the interpreter's work, and for the system call. With a ring of
submissions in memory shared with the kernel, one call does hundreds of writes. Where that is refused (another system,
an older kernel, the seccomp profile of Docker, `kernel.io_uring_disabled`), a loop does the same.
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
from typing import ClassVar

import structlog

ENTRIES = 512
"""Writes in one call. It must be a power of two."""

FEW = 4
"""Sockets up to which separate writes are faster than a submission."""

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
COMPLETION = struct.Struct("=QiI")
"""`struct io_uring_cqe`: user_data, res, flags."""

log = structlog.get_logger(__name__)


def send_all(descriptors: array[int], data: bytes) -> list[tuple[int, int]]:
    """Write data to sockets (an array of C ints), which must be non-blocking.

    Returns the sockets that didn't take all of it: their indices in `descriptors`, each with the number of bytes that
    it took, or with a negative errno. Never raises.
    """
    ring = _ring() if len(descriptors) > FEW else None
    if ring is None:
        return _one_by_one(descriptors, data)
    rest = []
    for start in range(0, len(descriptors), ENTRIES):
        rest += [(start + index, sent) for index, sent in ring.send(descriptors[start : start + ENTRIES], data)]
    return rest


def batched() -> bool:
    """True if io_uring is used in this thread."""
    return _ring() is not None


def one_by_one() -> None:
    """Don't use io_uring in this process."""
    _Local.allowed = False


def _one_by_one(descriptors: array[int], data: bytes) -> list[tuple[int, int]]:
    size = len(data)
    rest = []
    for index, descriptor in enumerate(descriptors):
        try:
            sent = os.write(descriptor, data)
        except OSError as error:
            rest.append((index, -(error.errno or errno.EIO)))
        else:
            if sent != size:
                rest.append((index, sent))
    return rest


class IoUring:
    """A queue of submissions and one of completions, for the thread that makes them and no other.

    When the call returns, each submission has been done in whole, in part, or not at all: the kernel never keeps a
    request with MSG_DONTWAIT. So both queues are empty between two calls, and neither side waits for the other.

    Raises OSError if the kernel refuses.

    The kernel's memory, as `io_uring_setup(2)` describes it; offsets come back in its parameters:

    | mapping | what is in it | here |
    |---|---|---|
    | rings | heads and tails of both queues, as u32 | `_head`, `_tail`; `_seen`, `_done` |
    | rings, at `order` | which submissions are meant, in order, as u32 | `_order` |
    | rings, at `cqes` | completions: u64 index of the submission, i32 result, u32 flags | `_completions` |
    | submissions | of 64 bytes: socket at 4, address at 16, length at 24 | `_sockets`, `_addresses`, `_lengths` |
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

        size = max(order + 4 * ENTRIES, cqes + COMPLETION.size * completions)
        rings = memoryview(mmap.mmap(self._descriptor, size))
        submissions = memoryview(mmap.mmap(self._descriptor, SUBMISSION.size * ENTRIES, offset=OFFSET_SUBMISSIONS))
        for index in range(ENTRIES):
            fields = (OP_SEND, 0, 0, -1, 0, 0, 0, MSG_DONTWAIT | MSG_NOSIGNAL, index)
            SUBMISSION.pack_into(submissions, SUBMISSION.size * index, *fields)
        self._sockets = submissions.cast("i")[1::16]
        self._addresses = submissions.cast("Q")[2::8]
        self._lengths = submissions.cast("I")[6::16]
        # The order of submissions is a queue of its own, of indices; we always begin with submission 0.
        self._order = rings[order : order + 4 * ENTRIES].cast("I")
        self._twice = memoryview(array("I", [*range(ENTRIES)] * 2))
        self._start = -1
        """The start of the queue when `_order` was written last."""
        self._data = b""
        """The data in the submissions: addresses and lengths stay there from one call to the next."""
        counters = rings.cast("I")
        self._head, self._tail = counters[sq_head // 4 : sq_head // 4 + 1], counters[sq_tail // 4 : sq_tail // 4 + 1]
        self._seen, self._done = counters[cq_head // 4 : cq_head // 4 + 1], counters[cq_tail // 4 : cq_tail // 4 + 1]
        self._completions = rings[cqes : cqes + COMPLETION.size * completions]
        # The completions of a call in which every socket took everything.
        expected = bytearray(COMPLETION.size * ENTRIES)
        for index in range(ENTRIES):
            COMPLETION.pack_into(expected, COMPLETION.size * index, index, 0, 0)
        self._expected = memoryview(expected)
        self._expected_results = self._expected.cast("i")[2::4]

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def send(self, descriptors: array[int], data: bytes) -> list[tuple[int, int]]:
        """Write data to at most `ENTRIES` sockets; see `send_all`."""
        count, size = len(descriptors), len(data)
        if data is not self._data:
            self._set_data(data)
        self._sockets[:count] = memoryview(descriptors)
        start = -self._tail[0] % ENTRIES
        if start != self._start:
            self._order[:] = self._twice[start : start + ENTRIES]
            self._start = start
        submitted = self._submit(count)
        completions = self._completed(submitted)
        if completions == self._expected[: COMPLETION.size * count].tobytes():
            return []
        rest = [(index, sent) for index, sent, _ in COMPLETION.iter_unpack(completions) if sent != size]
        # Sockets that couldn't be submitted are treated like those with a full buffer: the transport writes to them.
        return rest + [(index, -errno.EAGAIN) for index in range(submitted, count)]

    def _set_data(self, data: bytes) -> None:
        """Make all submissions send this data."""
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        lengths = memoryview(array("I", [len(data)]) * ENTRIES)
        self._addresses[:] = memoryview(array("Q", [address]) * ENTRIES)
        self._lengths[:] = lengths
        self._expected_results[:] = lengths.cast("B").cast("i")
        self._data = data

    def _submit(self, count: int) -> int:
        """Hand the first submissions to the kernel; return how many it took."""
        tail = self._tail[0]
        self._tail[0] = (tail + count) & 0xFFFFFFFF
        submitted = 0
        while submitted < count:
            accepted = self._syscall(SYS_ENTER, self._descriptor, count - submitted, count, GETEVENTS, 0, 0)
            if accepted <= 0:
                self._tail[0] = self._head[0]
                break
            submitted += accepted
        return submitted

    def _completed(self, count: int) -> bytes:
        """Take the next completions off the queue, which is circular."""
        head = self._seen[0]
        first = head * COMPLETION.size % len(self._completions)
        end = first + count * COMPLETION.size
        completions = self._completions[first:end].tobytes()
        if end > len(self._completions):
            completions += self._completions[: end - len(self._completions)].tobytes()
        self._seen[0] = (head + count) & 0xFFFFFFFF
        return completions


def _ring() -> IoUring | None:
    return _local.ring if _Local.allowed else None


class _Local(threading.local):
    """The ring of each thread; `__init__` is called once in each."""

    allowed: ClassVar = True
    """False if io_uring mustn't be used, in any thread."""

    def __init__(self) -> None:
        self.ring: IoUring | None = None
        if sys.platform == "linux":
            try:
                self.ring = IoUring()
            except OSError as error:
                log.debug("sending.one_by_one", reason=str(error))


_local = _Local()
