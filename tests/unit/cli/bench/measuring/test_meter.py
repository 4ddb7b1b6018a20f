"""The use that processes make of the machine."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.measuring.meter import Meter


def test_work_is_seen() -> None:
    """Half a tenth of a second's work of this process, to the scheduler's account."""
    meter = Meter([os.getpid()])
    before, own = meter.cpu(), time.process_time()
    while time.process_time() < own + 0.05:
        pass
    assert 0.045 <= meter.cpu() - before < 0.5


def test_memory_is_seen() -> None:
    meter = Meter([os.getpid()])
    before = meter.memory()
    # Of its own: what the allocator has at hand would be no growth.
    with mmap.mmap(-1, 8 * 1024 * 1024) as held:
        held.write(os.urandom(len(held)))
        assert 7_000_000 < meter.memory() - before < 20_000_000


def test_children_belong_to_their_parent() -> None:
    program = "import subprocess, sys; p = subprocess.Popen(['cat']); print(p.pid, flush=True); p.wait()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert set(Meter([process.pid]).pids) == {process.pid, child}
        assert Meter([process.pid, child]).pids == (process.pid, child)


def test_children_that_have_ended_are_left_out() -> None:
    """Though nobody has waited for them: they use nothing, and can't be read."""
    program = (
        "import os, subprocess, sys; p = subprocess.Popen(['true']); "
        "os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT); print(p.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ended = int(process.stdout.readline())
        assert (Path("/proc") / str(ended)).exists()
        assert Meter([process.pid]).pids == (process.pid,)


def test_a_process_that_is_not_there() -> None:
    with pytest.raises(Refused, match="process 999999999"):
        Meter([999_999_999])
