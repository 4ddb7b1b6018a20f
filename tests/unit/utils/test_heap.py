"""The C library's treatment of memory that is free again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from liveserver.utils import heap
from liveserver.utils.heap import LEFT, LEFT_SECONDS

PROGRAM = """
import sys
from pathlib import Path
from liveserver.utils import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "steady":
    assert heap.give_back()
before = resident()
for _ in range(20):
    large = [bytes(600_000) for _ in range(100)]
    # The small parts that are kept of each stand between them.
    small = [bytes(1_000) for _ in range(100)]
    kept = large[::10]
    del large
    del kept[:]
    left = [bytes(600_000 + 1_000 * number) for number in range(50)]
    rest = left[::25]
    del left
print(resident() - before)
"""


LEAVING = """
from pathlib import Path
from liveserver.utils import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

heap.give_back()
before = resident()
left = [bytes(20_000) for _ in range(4_000)]
kept = left[::100]
del left
held = resident() - before
assert heap.trim()
print(held, resident() - before)
"""


def left(way: str) -> int:
    """Bytes that a process has still, of many megabytes that came and went: all but 1.2 MB are free."""
    found = subprocess.run([sys.executable, "-c", PROGRAM, way], capture_output=True, text=True, check=True)
    return int(found.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_large_memory_goes_back_to_the_system() -> None:
    assert left("steady") < 4_000_000


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not heap.give_back()
    assert not heap.trim()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_what_many_have_left_goes_back_to_the_system() -> None:
    """Though some between them stay."""
    found = subprocess.run([sys.executable, "-c", LEAVING], capture_output=True, text=True, check=True)
    held, after = map(int, found.stdout.split())
    assert held > 60_000_000
    assert after < 5_000_000


def test_it_is_done_when_many_have_left() -> None:
    """Not for few, and not too often; connections that come and go meanwhile count the next time."""
    departures = heap.Departures()
    assert not departures.many(0, 0)
    assert not departures.many(2_000, 1)
    assert not departures.many(2_001 - LEFT, 2)
    assert departures.many(2_000 - LEFT, 3)
    assert not departures.many(2_000 - LEFT, 4)
    assert not departures.many(0, 4)
    assert not departures.many(0, 3 + LEFT_SECONDS - 0.1)
    assert departures.many(0, 3 + LEFT_SECONDS)
    assert not departures.many(0, 100)
