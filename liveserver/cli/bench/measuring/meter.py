"""What a server's processes on this machine use: processor time and memory, as Linux's /proc tells."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from liveserver.cli.bench.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

_PROC = Path("/proc")


class Meter:
    """Reads the processes of a server. Their children are theirs too."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.pids = tuple(dict.fromkeys(pid for named in pids for pid in _family(named)))
        self.cpu()
        self.memory()

    def cpu(self) -> float:
        """Seconds on a processor, of all threads that live. Raises Refused if a process can't be read."""
        return sum(_cpu(pid) for pid in self.pids)

    def memory(self) -> int:
        """Bytes of memory: the proportional set size, which counts what processes share once. Raises Refused."""
        return sum(_memory(pid) for pid in self.pids)


def _family(pid: int) -> list[int]:
    """The process and all that descend from it, but for those that have ended and weren't waited for yet."""
    found = [pid]
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                if not _has_ended(child):
                    found += _family(child)
    return found


def _has_ended(pid: int) -> bool:
    """Its state stands behind its name, which is in brackets and may have others in it (proc(5))."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except OSError:
        return True


def _cpu(pid: int) -> float:
    """By the scheduler's account, which is in nanoseconds; /proc/PID/stat counts in hundredths of a second."""
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
