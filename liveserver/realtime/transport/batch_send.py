"""Sending the same bytes to many sockets, in one system call where Linux allows it (by io_uring(7), from Linux 6.1 on).

In a loop of writes, each socket costs a system call and some of the interpreter's time. io_uring has a queue of
requests (its submission queue) in memory that the process shares with the kernel. One system call then does hundreds of
writes. Where io_uring is refused, the bytes are written in a loop: on another system, by an older kernel, by Docker's
seccomp profile, or by the setting `kernel.io_uring_disabled`.
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
"""The greatest number of writes in one system call. It must be a power of two."""

FEW = 4
"""The number of sockets up to which separate writes are faster than io_uring."""

# These constants are from include/uapi/linux/io_uring.h. The two system calls have these numbers on every architecture
# but Alpha.
SYS_SETUP, SYS_ENTER = 425, 426
SINGLE_ISSUER, DEFER_TASKRUN = 1 << 12, 1 << 13
GETEVENTS = 1
OP_SEND = 26
OFFSET_SUBMISSIONS = 0x10000000
PARAMS_BYTES = 120
"""The size in bytes of `struct io_uring_params`. It begins with sq_entries, cq_entries and flags.

Its member `sq_off` begins at byte 40, and `cq_off` at byte 80."""
SUBMISSION = struct.Struct("=BBHiQQIIQ24x")
"""Format of `struct io_uring_sqe`, with the members opcode, flags, ioprio, fd, off, addr, len, msg_flags, user_data."""
COMPLETION = struct.Struct("=QiI")
"""Format of `struct io_uring_cqe`, with the members user_data, res, flags."""

log = structlog.get_logger(__name__)


def send_all(descriptors: array[int], data: bytes) -> list[tuple[int, int]]:
    """Write the same data to many sockets, which must be non-blocking. `descriptors`: an array of C ints.

    Returns a pair for each socket that didn't accept all the data. The first value is the socket's index in
    `descriptors`. The second value is the number of accepted bytes or, if the write failed, the negative errno. This
    function never raises.
    """
    ring = _ring() if len(descriptors) > FEW else None
    if ring is None:
        return _one_by_one(descriptors, data)
    rest = []
    for start in range(0, len(descriptors), ENTRIES):
        rest += [(start + index, sent) for index, sent in ring.send(descriptors[start : start + ENTRIES], data)]
    return rest


def batched() -> bool:
    """Return True if this thread uses io_uring for writes to more than FEW sockets."""
    return _ring() is not None


def one_by_one() -> None:
    """Write to sockets in a loop, without io_uring, in all threads of this process from now on."""
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
    """io_uring's two queues: one of submissions (requests to the kernel), one of completions (their results).

    Only the thread that makes the object may use it. When io_uring_enter(2) returns, each submission has been done in
    whole, in part, or not at all. Because of MSG_DONTWAIT, the kernel never keeps a submission for later. So both
    queues are empty between two calls. Making the object raises OSError if the kernel refuses io_uring.

    The process and the kernel share the following memory, as io_uring_setup(2) describes it. The system call
    io_uring_setup(2) writes the offsets of the parts into its parameters.

    | mapping | content | attributes |
    |---|---|---|
    | rings | heads and tails of both queues, as u32 | `_head`, `_tail` (submissions); `_seen`, `_done` (completions) |
    | rings, at `order` | the indices of the submissions, in the order of the queue, as u32 | `_order` |
    | rings, at `cqes` | completions: u64 index of the submission, i32 result, u32 flags | `_completions` |
    | submissions | 64 bytes each: socket at 4, address at 16, length at 24 | `_sockets`, `_addresses`, `_lengths` |
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
        # The kernel takes submissions in the order of their indices in `_order`, which is a ring. We write the indices
        # so that submission 0 always comes next.
        self._order = rings[order : order + 4 * ENTRIES].cast("I")
        self._twice = memoryview(array("I", [*range(ENTRIES)] * 2))
        self._start = -1
        """The present value of `_order[0]`, the index of a submission; -1 if `_order` hasn't been written yet."""
        self._data = b""
        """The data of the last call of `send`. Its address and length are in all submissions.

        The submissions keep the address after the call. As long as they do, this reference keeps the data in memory.
        """
        counters = rings.cast("I")
        self._head, self._tail = counters[sq_head // 4 : sq_head // 4 + 1], counters[sq_tail // 4 : sq_tail // 4 + 1]
        self._seen, self._done = counters[cq_head // 4 : cq_head // 4 + 1], counters[cq_tail // 4 : cq_tail // 4 + 1]
        self._completions = rings[cqes : cqes + COMPLETION.size * completions]
        # These bytes are the completions of a system call in which every socket took all the data.
        expected = bytearray(COMPLETION.size * ENTRIES)
        for index in range(ENTRIES):
            COMPLETION.pack_into(expected, COMPLETION.size * index, index, 0, 0)
        self._expected = memoryview(expected)
        self._expected_results = self._expected.cast("i")[2::4]

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def send(self, descriptors: array[int], data: bytes) -> list[tuple[int, int]]:
        """Write the same data to at most `ENTRIES` sockets. Returns the same pairs as `send_all`."""
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
        # If the kernel accepts no submission for a socket, the transport writes the data, as if the buffer were full.
        return rest + [(index, -errno.EAGAIN) for index in range(submitted, count)]

    def _set_data(self, data: bytes) -> None:
        """Write the address and length of this data into all submissions."""
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
        lengths = memoryview(array("I", [len(data)]) * ENTRIES)
        self._addresses[:] = memoryview(array("Q", [address]) * ENTRIES)
        self._lengths[:] = lengths
        self._expected_results[:] = lengths.cast("B").cast("i")
        self._data = data

    def _submit(self, count: int) -> int:
        """Hand the first `count` submissions to the kernel. Returns the number of accepted submissions."""
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
        """Remove the next `count` completions from io_uring's completion queue, and return them as bytes.

        The queue is a ring: its last place is followed by its first.
        """
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
    """The storage of each thread's `IoUring`. The attribute `ring` is None if the thread can't use io_uring.

    Python calls `__init__` in each thread when the thread first uses the object.
    """

    allowed: ClassVar = True
    """True if threads may use io_uring. `one_by_one` sets it to False."""

    def __init__(self) -> None:
        self.ring: IoUring | None = None
        if sys.platform == "linux":
            try:
                self.ring = IoUring()
            except OSError as error:
                log.debug("sending.one_by_one", reason=str(error))


_local = _Local()
