"""Run a liveserver that is restarted whenever a file of the code changes: `make dev`.

    python scripts/dev.py demo --port 8000

Runs `liveserver` with these arguments. When a file of the package changes, the server is restarted. When a file of
`web/` changes, the front end is built before that; if the build fails, the old front end stays. Ctrl+C ends everything.
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
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import hatch_build  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

INTERVAL = 0.3
"""Seconds between two checks whether files have changed."""

STOP_SECONDS = 5.0
"""The number of seconds that a process has to end after SIGTERM. After that, it is killed."""

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end this program."""

Stamps = Mapping[Path, int]
"""The time at which each file was last written, in nanoseconds since 1970, by the file's path."""


def package_files(root: Path) -> list[Path]:
    """Return the files that the server reads when it starts: code, templates and texts, not the front end's bundle.

    `root`: the project's folder.
    """
    bundle = root / hatch_build.BUNDLE
    found: list[Path] = []
    for folder, folders, files in os.walk(root / "liveserver"):
        folders[:] = [name for name in folders if name != "__pycache__" and Path(folder, name) != bundle]
        found += [Path(folder, name) for name in files if not name.startswith(".")]
    return found


def web_files(root: Path) -> list[Path]:
    """Return the source files of the front end. `root`: the project's folder."""
    return hatch_build.source_files(root / hatch_build.SOURCES)


def stamps(files: Sequence[Path]) -> Stamps:
    """Return the time at which each file was last written. A file that doesn't exist any more is left out."""
    found: dict[Path, int] = {}
    for path in files:
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
    return found


def changed(before: Stamps, after: Stamps) -> list[Path]:
    """Return the files that were written, added or removed between two calls of `stamps`, sorted by path."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


class Watch:
    """A watch over a set of files. It finds those that have changed since it last looked."""

    def __init__(self, files: Callable[[], list[Path]]) -> None:
        self._files = files
        self._seen = stamps(files())

    def look(self) -> list[Path]:
        """Return the files that have changed since the last call, sorted by path.

        If any have, waits until no more files change, and returns these, too.
        """
        found: set[Path] = set()
        while True:
            now = stamps(self._files())
            news = changed(self._seen, now)
            self._seen = now
            if not news:
                return sorted(found)
            found.update(news)
            time.sleep(INTERVAL / 3)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let the signals that end this program wait until the block has ended.

    Without this, a signal that came after a process was started, and before its `Popen` was assigned, would leave that
    process running for ever.
    """
    held: list[int] = []
    handlers = [signal.signal(number, lambda number, _: held.append(number)) for number in ENDING]
    try:
        yield
    finally:
        for number, handler in zip(ENDING, handlers, strict=True):
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def start(command: Sequence[str | Path], *, folder: Path, output: int | None = None) -> subprocess.Popen[str]:
    """Start a process in a process group of its own. So Ctrl+C in the terminal ends only this program, not the process.

    `folder`: the working directory. `output`: where the process's output goes (None: to the terminal). A server that is
    started so ends without a drain, unless the environment has LIVESERVER_DRAIN.
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


def stop(process: subprocess.Popen[str] | None) -> None:
    """End a process that `start` started, and its child processes.

    Does nothing if they have ended already. `process`: None if no process was started.
    """
    if process is None:
        return
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
    """Build the front end with the packages in `web/node_modules`. `root`: the project's folder.

    If the build fails, prints the reason, keeps the old front end, and returns False.
    """
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
        process = None
        try:
            with signals_held():
                process = start(npm, folder=copy, output=subprocess.PIPE)
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
    """Run `liveserver` with these arguments, and restart it after changes, until a signal ends this program.

    `root`: the project's folder.
    """
    command = [sys.executable, "-m", "liveserver", *arguments]
    package, web = Watch(lambda: package_files(root)), Watch(lambda: web_files(root))
    server, ended = None, False
    try:
        with signals_held():
            server = start(command, folder=root)
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
                with signals_held():
                    server, ended = start(command, folder=root), False
    finally:
        stop(server)


def named(files: Sequence[Path], root: Path) -> str:
    """Return the paths of the first three of the files, relative to the folder `root`, as a text."""
    return ", ".join(str(path.relative_to(root)) for path in files[:3]) + (" …" if len(files) > 3 else "")


def say(line: str) -> None:
    """Print a line, and flush standard output."""
    print(line, flush=True)  # noqa: T201


def main(arguments: Sequence[str]) -> int:
    """Run the program that the module's docstring describes."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        for other in ENDING:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in ENDING:
        signal.signal(number, leave)
    run(arguments or ["demo"], ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
