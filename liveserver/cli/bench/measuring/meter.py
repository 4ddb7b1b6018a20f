"""The meter of a server's processes on this machine: it reads their processor time and memory from Linux's /proc."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from liveserver.cli.bench.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROC = Path("/proc")


class Meter:
    """A meter of the processes with the ids `pids`, and of all descendants that they have when the meter is made.

    Raises Refused if the processor time or the memory of any of these processes can't be read.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        self.pids = tuple(dict.fromkeys(pid for parent in pids for pid in _family(parent)))
        self.cpu()
        self.memory()

    def cpu(self) -> float:
        """Return how many seconds of processor time the present threads of all the processes have used, added up.

        Raises Refused if a process can't be read.
        """
        return sum(_cpu(pid) for pid in self.pids)

    def memory(self) -> int:
        """Return how many bytes of memory the processes have: their proportional set sizes, added up.

        Memory that several of the processes share counts once. Raises Refused if a process can't be read.
        """
        return sum(_memory(pid) for pid in self.pids)


def _family(pid: int) -> list[int]:
    """Return the ids of a process and all its descendants, without the descendants that have ended (zombies)."""
    pids = [pid]
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                if not _has_ended(child):
                    pids += _family(child)
    return pids


def _has_ended(pid: int) -> bool:
    """True if a process has ended: it is a zombie, or no longer there."""
    # In `stat`, the state comes after the process's name. The name is in brackets, and may contain brackets (proc(5)).
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


def _cpu(pid: int) -> float:
    """Return how many seconds of processor time a process's present threads have used.

    The figure comes from the scheduler, which counts nanoseconds. /proc/PID/stat has hundredths of a second only.
    """
    total = 0
    try:
        for thread in (_PROC / str(pid) / "task").iterdir():
            # A thread may end while we read the list.
            with suppress(FileNotFoundError, ProcessLookupError):
                total += int((thread / "schedstat").read_text().split()[0])
    except OSError as error:
        raise _unreadable(pid, error) from None
    return total / 1e9


def _memory(pid: int) -> int:
    """Return the proportional set size of a process, in bytes."""
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError as error:
        raise _unreadable(pid, error) from None
    raise Refused(f"/proc doesn't tell the memory of process {pid}")


def _unreadable(pid: int, error: OSError) -> Refused:
    return Refused(f"can't read what process {pid} uses: {error.strerror}")
