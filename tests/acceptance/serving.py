"""`python -m liveserver` as child processes, on ports and databases that they keep from one start to the next."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

import httpx2
import orjson

from liveserver.access.api_keys import new_key
from liveserver.domain.people.rights import SCOPES
from liveserver.store import Store
from tests.acceptance.forking import fork
from tests.acceptance.surroundings import environment
from tests.support.principals import NEWSROOM
from tests.support.services import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from tests.acceptance.forking import Forked

START_SECONDS = 40.0
"""How long a process may take to be there, on a machine that is busy with others."""
TOLD_SECONDS = 20.0
STOP_SECONDS = 15.0
RUN_SECONDS = 20.0

Found = TypeVar("Found")


class Command(NamedTuple):
    """A command yet to be run."""

    arguments: tuple[str, ...]
    directory: Path
    settings: dict[str, str]


class Finished(NamedTuple):
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


async def run(*arguments: str, cwd: Path, stdin: str = "", **settings: str) -> Finished:
    """Run a command of liveserver's to its end, started as users start it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "liveserver", *arguments),
        cwd=cwd,
        env=environment(**settings),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RUN_SECONDS):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def run_all(commands: Sequence[Command]) -> list[Finished]:
    """Run commands at once, each in a process forked from one that has imported all modules."""
    return await asyncio.gather(*(run_forked(command) for command in commands))


async def run_forked(command: Command, *, stdin: str = "") -> Finished:
    """Run a command to its end, in a process forked from one that has imported all modules."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        settings = environment(**command.settings)
        process = fork(command.arguments, command.directory, settings, given, out, err)
        try:
            async with asyncio.timeout(RUN_SECONDS):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        return Finished(status, *(_read(file) for file in (out, err)))


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def open_nothing() -> IO[bytes]:
    """An empty file, which processes have as their standard input."""
    return Path(os.devnull).open("rb")


async def eventually(check: Callable[[], Any], *, seconds: float = 10.0, what: str = "it") -> None:
    """Return once `check` is true; it is asked again and again, where there is nothing to await."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        await asyncio.sleep(0.02)


class Child:
    """A command that goes on: `serve`, `demo` or `tail`. Its output is kept in files.

    It is started as users start it or, where `forked`, from a process that has imported all modules.
    """

    forked = False

    def __init__(self, directory: Path, *arguments: str, **settings: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.arguments = arguments
        self.settings = settings
        self._out = directory / "stdout"
        self._err = directory / "stderr"
        self._process: asyncio.subprocess.Process | Forked | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def stdout(self) -> str:
        """Its standard output since it was last started."""
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        """The same of standard error."""
        return self._err.read_text()

    async def start(self) -> None:
        """Start it; returns at once."""
        assert not self.running, "runs already"
        settings = environment(**self.settings)
        with self._out.open("wb") as out, self._err.open("wb") as err, open_nothing() as nothing:
            if self.forked:
                self._process = fork(self.arguments, self.directory, settings, nothing, out, err)
            else:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "liveserver", *self.arguments),
                    cwd=self.directory,
                    env=settings,
                    stdin=nothing,
                    stdout=out,
                    stderr=err,
                )

    async def end(self, how: signal.Signals = signal.SIGTERM, *, seconds: float = STOP_SECONDS) -> int:
        """Send it a signal, and return its status once it has ended."""
        assert self._process is not None, "not started"
        with suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            async with asyncio.timeout(seconds):
                return await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise AssertionError(f"still there {seconds} s after {how.name}: {self.stderr[-2000:]}") from None

    async def wait(self, *, seconds: float = STOP_SECONDS) -> int:
        """Its status, once it has ended by itself."""
        assert self._process is not None, "not started"
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL it."""
        await self.end(signal.SIGKILL)

    async def printed(self, pattern: str, *, seconds: float = TOLD_SECONDS) -> re.Match[str]:
        """The match of a pattern in its standard output, once there is one."""
        return await self._found(lambda: re.search(pattern, self.stdout), repr(pattern), seconds)

    async def logged(self, event: str, *, seconds: float = TOLD_SECONDS) -> dict[str, Any]:
        """The first line of its log of that event, once it is there."""
        return await self._found(lambda: next(iter(self.log(event)), None), event, seconds)

    def log(self, event: str) -> list[dict[str, Any]]:
        """Its log's lines of that event."""
        lines = [orjson.loads(line) for line in self.stderr.splitlines() if line.startswith("{") and line.endswith("}")]
        return [line for line in lines if line["event"] == event]

    async def _found(self, find: Callable[[], Found | None], what: str, seconds: float) -> Found:
        def settled() -> bool:
            return find() is not None or not self.running

        await eventually(settled, seconds=seconds, what=f"{what} of {self.arguments}")
        found = find()
        assert found is not None, f"{self.arguments} ended without {what}: {self.stdout[-1000:]}{self.stderr[-3000:]}"
        return found


class LiveServer(Child):
    """A server; started again it has the same port and the same database."""

    def __init__(self, directory: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        chosen = {
            "host": "127.0.0.1",
            "port": str(self.port),
            "public_url": self.url,
            "database_url": f"sqlite:///{directory}/live.db",
            # Tests that end a server with readers shouldn't wait for them to leave.
            "drain": "0.2",
            **settings,
        }
        super().__init__(directory, "serve", **chosen)

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"

    async def start(self) -> None:
        """Start it, and return once it could publish."""
        await super().start()
        await self.logged("server.started", seconds=START_SECONDS)
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{self.url}/readyz")).status_code == 200

    async def run(self, *arguments: str, stdin: str = "", **settings: str) -> Finished:
        """Run another command on the same settings, in the way that the server was started."""
        if self.forked:
            return await run_forked(self.command(*arguments, **settings), stdin=stdin)
        return await run(*arguments, cwd=self.directory, stdin=stdin, **{**self.settings, **settings})

    def command(self, *arguments: str, **settings: str) -> Command:
        """Another command on the same settings, for `run_all`."""
        return Command(arguments, self.directory, {**self.settings, **settings})

    async def key(self, *scopes: str) -> str:
        """An API key; without scopes, one that may do everything. Made as `keys create` makes it, in this process."""
        stored, shown = new_key("acceptance", scopes or SCOPES)
        store = await Store.open(self.settings["database_url"])
        await store.keys.add(stored, NEWSROOM)
        await store.close()
        return shown


class ForkedServer(LiveServer):
    """A server that is forked, as its commands are: for tests of what it does once it is there."""

    forked = True


@asynccontextmanager
async def started(child: Child) -> AsyncIterator[Child]:
    """A child while it runs; gone afterwards, whatever the test has done to it."""
    try:
        await child.start()
        yield child
    finally:
        if child.running:
            await child.end()


@asynccontextmanager
async def serving(directory: Path, **settings: str) -> AsyncIterator[LiveServer]:
    """A forked server while it runs."""
    server = ForkedServer(directory, **settings)
    async with started(server):
        yield server
