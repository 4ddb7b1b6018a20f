"""Processor time and memory of a server's processes on this machine, read from Linux's /proc."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from liveserver.cli.bench.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROC = Path("/proc")


class Meter:
    """A meter of a server's processes and all their descendants."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.pids = tuple(dict.fromkeys(pid for parent in pids for pid in _family(parent)))
        self.cpu()
        self.memory()

    def cpu(self) -> float:
        """Return the processor time of all living threads, in seconds. Raises Refused if a process can't be read."""
        return sum(_cpu(pid) for pid in self.pids)

    def memory(self) -> int:
        """Return bytes of memory: the proportional set size, which counts shared memory once. Raises Refused."""
        return sum(_memory(pid) for pid in self.pids)


def _family(pid: int) -> list[int]:
    """Return a process and all its descendants, without those that have ended and weren't waited for yet."""
    pids = [pid]
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                if not _has_ended(child):
                    pids += _family(child)
    return pids


def _has_ended(pid: int) -> bool:
    """True if a process is a zombie, or is gone."""
    # The state comes after the name, which is in brackets, and may itself contain brackets (proc(5)).
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


def _cpu(pid: int) -> float:
    """Return a process's seconds, by the scheduler, which counts nanoseconds; /proc/PID/stat has hundredths only."""
    total = 0
    try:
        for thread in (_PROC / str(pid) / "task").iterdir():
            # A thread may end while the list is read.
            with suppress(FileNotFoundError, ProcessLookupError):
                total += int((thread / "schedstat").read_text().split()[0])
    except OSError as error:
        raise _unreadable(pid, error) from None
    return total / 1e9


def _memory(pid: int) -> int:
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError as error:
        raise _unreadable(pid, error) from None
    raise Refused(f"/proc doesn't tell the memory of process {pid}")


def _unreadable(pid: int, error: OSError) -> Refused:
    return Refused(f"can't read what process {pid} uses: {error.strerror}")
