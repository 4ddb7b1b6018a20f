"""Serve while the code is being written: `make dev`.

    python scripts/dev.py demo --port 8000

Runs `liveserver` with these arguments. When a file of the package changes, the server is restarted; when one of `web/`
does, the front end is built first, and a build that fails leaves the old one in place. Ctrl+C ends all of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import hatch_build  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

INTERVAL = 0.3
"""Seconds between two looks at the files."""

STOP_SECONDS = 5.0
"""How long a process has to end after SIGTERM, before it is killed."""

Stamps = Mapping[Path, int]
"""Files, and when each was last written (nanoseconds)."""


def package_files(root: Path) -> list[Path]:
    """The files that the server reads when it starts, without the front end's bundle: code, templates, texts."""
    bundle = root / hatch_build.BUNDLE
    found: list[Path] = []
    for folder, folders, files in os.walk(root / "liveserver"):
        folders[:] = [name for name in folders if name != "__pycache__" and Path(folder, name) != bundle]
        found += [Path(folder, name) for name in files if not name.startswith(".")]
    return found


def web_files(root: Path) -> list[Path]:
    """The sources of the front end."""
    return hatch_build.source_files(root / hatch_build.SOURCES)


def stamps(files: Sequence[Path]) -> Stamps:
    """When each file was last written. A file that has gone meanwhile is left out."""
    found: dict[Path, int] = {}
    for path in files:
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
    return found


def changed(before: Stamps, after: Stamps) -> list[Path]:
    """The files that were written, added or removed between two looks, sorted."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


class Watch:
    """Tells what has changed in a set of files since the last look."""

    def __init__(self, files: Callable[[], list[Path]]) -> None:
        self._files = files
        self._seen = stamps(files())

    def look(self) -> list[Path]:
        """The files that changed since the last look; waits until nothing changes any more."""
        found: set[Path] = set()
        while True:
            now = stamps(self._files())
            news = changed(self._seen, now)
            self._seen = now
            if not news:
                return sorted(found)
            found.update(news)
            time.sleep(INTERVAL / 3)


def start(command: Sequence[str | Path], *, folder: Path, output: int | None = None) -> subprocess.Popen[str]:
    """Start a process in a group of its own, so that the terminal's Ctrl+C reaches only this program.

    The drain, which spares readers a crowd at restarts, is switched off unless the environment says otherwise.
    """
    environment = {"LIVESERVER_DRAIN": "0", **os.environ}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started. None of them running is no error."""
    for kind, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def build(root: Path) -> bool:
    """Build the front end with the packages in `web/node_modules`. False, with the reason printed, if it can't be."""
    sources = root / hatch_build.SOURCES
    digest = hatch_build.digest(sources)
    with tempfile.TemporaryDirectory(prefix="liveserver-dev-") as scratch:
        copy = Path(scratch)
        for path in (*hatch_build.source_files(sources), root / "hatch_build.py"):
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        (copy / hatch_build.SOURCES / "node_modules").symlink_to((sources / "node_modules").resolve())
        npm: list[str | Path] = [sys.executable, copy / "hatch_build.py", "npm", "--silent", "run", "build"]
        process = start(npm, folder=copy, output=subprocess.PIPE)
        try:
            output, _ = process.communicate()
        finally:
            stop(process)
        if process.returncode or not hatch_build.has_bundle(copy):
            say(f"{output}\nThe front end can't be built; the old one stays.")
            return False
        shutil.rmtree(root / hatch_build.BUNDLE, ignore_errors=True)
        shutil.copytree(copy / hatch_build.BUNDLE, root / hatch_build.BUNDLE)
        (root / hatch_build.BUNDLE / hatch_build.STAMP).write_text(digest)
    return True


def run(arguments: Sequence[str], root: Path) -> NoReturn:
    """Serve, watch, restart. Ends by a signal only."""
    command = [sys.executable, "-m", "liveserver", *arguments]
    package, web = Watch(lambda: package_files(root)), Watch(lambda: web_files(root))
    server = start(command, folder=root)
    ended = False
    try:
        while True:
            time.sleep(INTERVAL)
            if not ended and server.poll() is not None:
                ended = True
                say(f"The server has ended ({server.returncode}); it is started again after a change.")
            built = False
            if files := web.look():
                say(f"Building the front end: {named(files, root)}")
                built = build(root)
            files = package.look()
            if built or files:
                say(f"Restarting: {named(files, root) or 'front end'}")
                stop(server)
                server, ended = start(command, folder=root), False
    finally:
        stop(server)


def named(files: Sequence[Path], root: Path) -> str:
    """The first three of these files, as a developer knows them."""
    return ", ".join(str(path.relative_to(root)) for path in files[:3]) + (" …" if len(files) > 3 else "")


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201


def main(arguments: Sequence[str]) -> int:
    """The program: see the module's text. Returns the exit code."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    run(arguments or ["demo"], ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
