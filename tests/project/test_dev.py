"""`make dev`: what is watched, and that nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from scripts import dev
from tests.support.checkout import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)
"""Real processes: not among the quick tests."""

SERVER = """
import os, pathlib, signal, subprocess, sys, time

helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
with pathlib.Path("started").open("a") as started:
    started.write(f"{os.getpid()} {helper.pid} {' '.join(sys.argv[1:])}\\n")
if "obstinate" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "brief" not in sys.argv:
    time.sleep(60)
"""
"""A `liveserver` that notes each start, with its own process and one that it has started itself."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of which the server is this one."""
    for name, text in {
        "liveserver/__init__.py": "",
        "liveserver/__main__.py": SERVER,
        "liveserver/rendering/templates/page.html": "<p>",
        "liveserver/rendering/static/reader.js": "",
        "web/src/reader.ts": "",
        "web/src/reader.test.ts": "",
        "web/node_modules/vite/index.js": "",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def starts(checkout: Path) -> list[str]:
    """The lines that the server wrote, one for each start."""
    path = checkout / "started"
    return path.read_text().splitlines() if path.exists() else []


def wait_for(condition: Callable[[], bool]) -> None:
    """Return once it holds; fails after ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def _ended(number: str) -> bool:
    return not runs(number)


def runs(number: str) -> bool:
    """Whether a process is there and hasn't ended."""
    try:
        with open(f"/proc/{number}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def begin(checkout: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`make dev` in that checkout."""
    program = (
        "import pathlib, sys; from scripts import dev; dev.ROOT = pathlib.Path(sys.argv.pop(1)); dev.INTERVAL = 0.03; "
        "dev.STOP_SECONDS = 0.3; dev.build = lambda root: True; dev.main(sys.argv[1:])"
    )
    command: list[str | Path] = [sys.executable, "-c", program, checkout, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL)


def test_what_is_watched(checkout: Path) -> None:
    """Code, templates and the sources of the front end; not what is built of them, nor the packages of others."""
    names = {str(path.relative_to(checkout)) for path in dev.package_files(checkout)}
    assert names == {"liveserver/__init__.py", "liveserver/__main__.py", "liveserver/rendering/templates/page.html"}
    assert [str(path.relative_to(checkout)) for path in dev.web_files(checkout)] == ["web/src/reader.ts"]


def test_changes_are_seen_once(checkout: Path) -> None:
    watch = dev.Watch(lambda: dev.package_files(checkout))
    page, added = checkout / "liveserver/rendering/templates/page.html", checkout / "liveserver/added.py"
    assert watch.look() == []
    os.utime(page, (1, 1))
    added.touch()
    assert watch.look() == [added, page]
    assert watch.look() == []
    added.unlink()
    assert watch.look() == [added]


@pytest.mark.parametrize("path", ["liveserver/rendering/templates/page.html", "web/src/reader.ts"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_restarts_and_leaves_nothing_running(checkout: Path, number: signal.Signals, path: str) -> None:
    """A change starts the server again, and a signal ends the server and what the server has started."""
    process = begin(checkout, "serve", "--port", "8000")
    try:
        wait_for(lambda: len(starts(checkout)) == 1)
        time.sleep(0.1)
        os.utime(checkout / path, (1, 1))
        wait_for(lambda: len(starts(checkout)) == 2)
        process.send_signal(number)
        assert process.wait(10) == 128 + number
    finally:
        process.kill()
    for line in starts(checkout):
        server, helper, *arguments = line.split()
        assert arguments == ["serve", "--port", "8000"]
        # Orphans are there until the system has taken note of their end.
        wait_for(partial(_ended, server))
        wait_for(partial(_ended, helper))


def test_a_signal_that_comes_while_a_process_is_started_waits() -> None:
    """The process would be known to nobody, and run for ever."""
    told: list[int] = []
    handler = signal.signal(signal.SIGHUP, lambda number, _: told.append(number))
    try:
        with dev.signals_held():
            os.kill(os.getpid(), signal.SIGHUP)
            assert told == []
        assert told == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, handler)


@pytest.mark.parametrize("restarts", [0, 1])
def test_no_server_is_left_whose_start_was_disturbed(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, restarts: int
) -> None:
    """The signal comes as early as it can: before the program knows the process that it has just started."""
    started: list[subprocess.Popen[str]] = []
    start = dev.start

    def disturbed(*args: Any, **options: Any) -> subprocess.Popen[str]:
        process = start(*args, **options)
        started.append(process)
        if len(started) > restarts:
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            wait_for(lambda: len(starts(checkout)) == 1)
            os.utime(checkout / "liveserver/__init__.py", (1, 1))
        return process

    monkeypatch.setattr(dev, "start", disturbed)
    monkeypatch.setattr(dev, "ROOT", checkout)
    monkeypatch.setattr(dev, "INTERVAL", 0.03)
    handlers = {number: signal.getsignal(number) for number in dev.ENDING}
    try:
        with pytest.raises(SystemExit):
            dev.main(["serve"])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert len(started) == 1 + restarts
    assert all(process.returncode is not None for process in started)


def test_a_server_that_does_not_end_is_killed(checkout: Path) -> None:
    process = begin(checkout, "obstinate")
    try:
        wait_for(lambda: len(starts(checkout)) == 1)
        time.sleep(0.3)
        process.terminate()
        assert process.wait(10) == 128 + signal.SIGTERM
    finally:
        process.kill()
    wait_for(lambda: not runs(starts(checkout)[0].split()[0]))


def test_a_server_that_ended_is_started_again_after_a_change(checkout: Path) -> None:
    process = begin(checkout, "brief")
    try:
        wait_for(lambda: len(starts(checkout)) == 1)
        time.sleep(0.5)
        assert len(starts(checkout)) == 1, "not before"
        os.utime(checkout / "liveserver/__init__.py", (1, 1))
        wait_for(lambda: len(starts(checkout)) == 2)
        process.terminate()
        process.wait(10)
    finally:
        process.kill()
