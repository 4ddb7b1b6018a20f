"""The contestants: how each server is started, watched and published to."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import httpx2

from benchmarks.publishing import Poster
from liveserver.cli.bench.publisher import TITLE, Publisher
from liveserver.cli.bench.viewers.handshake import Opening, Transport
from liveserver.client import Client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.message import Template
    from liveserver.cli.bench.run import Source
    from liveserver.protocol.frames import Frame

SERVERS = Path(__file__).parent / "servers"
ROOT = Path(__file__).parent.parent
START_SECONDS = 20.0
END_SECONDS = 3.0
PUBLIC_URL = "https://live.example.org"
"""In the messages: their length must not depend on a port."""
SLUG = "benchmark"


class NotInstalled(Exception):
    """A contestant can't take part; the message says what is missing."""


@dataclass(frozen=True)
class Discipline:
    """What is compared with what: the same bytes to every viewer."""

    name: str
    transport: Transport = Transport.WS
    deflate: bool = False

    def bytes_of(self, frame: Frame) -> bytes:
        """A message as it goes over the wire."""
        if self.transport is Transport.SSE:
            return frame.sse
        return frame.ws_deflated if self.deflate else frame.ws


WS = Discipline("WebSocket")
DEFLATED = Discipline("WebSocket, deflated", deflate=True)
SSE = Discipline("SSE", Transport.SSE)


class Contestant(ABC):
    """A server process. Use it as an asynchronous context manager, once for each run."""

    name: ClassVar[str]
    greeted: ClassVar[bool] = False
    """It says `hello`."""
    path: ClassVar[str] = "/stream"

    def __init__(self, discipline: Discipline, directory: Path, template: Template) -> None:
        self.discipline = discipline
        self.directory = directory
        self.template = template
        self.port = free_port()
        self._process: asyncio.subprocess.Process | None = None

    @classmethod
    @abstractmethod
    def check(cls) -> str:
        """Its version. Raises NotInstalled."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """How it is started."""

    def environment(self) -> dict[str, str]:
        """Variables beside the usual ones."""
        return {}

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its first process."""
        assert self._process is not None
        return self._process.pid

    @property
    def opening(self) -> Opening:
        """How viewers ask for the stream."""
        discipline = self.discipline
        # The floor is told which answer this key wants, and the others don't care.
        return Opening(discipline.transport, f"127.0.0.1:{self.port}", self.path, discipline.deflate, key=KEY)

    async def source(self, run: str) -> Source:
        """The source that publishes to it."""
        return Poster(self.publishing_port, "/publish", self.body, self.template, run)

    @property
    def publishing_port(self) -> int:
        """Where to publish."""
        return self.port

    def body(self, frame: Frame) -> bytes:
        """What is posted for a message."""
        return frame.message

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVESERVER_")}
        with (self.directory / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(),
                cwd=ROOT,
                env={**inherited, **self.environment()},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            await self._answering()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _answering(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        for port in {self.port, self.publishing_port}:
            while True:
                assert self._process is not None
                if self._process.returncode is not None or time.monotonic() > deadline:
                    log = (self.directory / "log").read_text(errors="replace")
                    raise NotInstalled(f"{self.name} doesn't start: {log[-1000:]}")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break

    async def _end(self) -> None:
        """End it with its children: a worker of nginx outlives a master that is killed."""
        assert self._process is not None
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await self._process.wait()
                    return


class Floor(Contestant):
    """The least that a server can do."""

    name = "floor"

    @classmethod
    def check(cls) -> str:
        """The compiler's version."""
        return first_line(program("cc"), "--version")

    @classmethod
    def compile(cls, directory: Path) -> None:
        """Make the program, once."""
        subprocess.run([program("cc"), "-O2", "-o", directory / "floor", SERVERS / "floor.c"], check=True)

    def command(self) -> Sequence[str]:
        """Compiled into the folder that all runs share."""
        return [str(self.directory.parent / "floor"), str(self.port), self.opening.accept]

    def body(self, frame: Frame) -> bytes:
        """It writes what it is given."""
        return self.discipline.bytes_of(frame)


class BarePython(Contestant):
    """The floor in Python."""

    name = "Python, bare loop"

    @classmethod
    def check(cls) -> str:
        """Of the interpreter."""
        return f"{sys.implementation.name} {sys.version.split()[0]}"

    def command(self) -> Sequence[str]:
        """As the floor."""
        return [sys.executable, "-m", "benchmarks.servers.bare_python", str(self.port), self.opening.accept]

    def body(self, frame: Frame) -> bytes:
        """It writes what it is given."""
        return self.discipline.bytes_of(frame)


class Liveserver(Contestant):
    """This server, embedded defaults, one process."""

    name = "liveserver"
    greeted = True

    def __init__(self, discipline: Discipline, directory: Path, template: Template) -> None:
        super().__init__(discipline, directory, template)
        self._client: Client | None = None

    @classmethod
    def check(cls) -> str:
        """Of the package."""
        return version("liveserver")

    def command(self) -> Sequence[str]:
        """As an operator would."""
        return [sys.executable, "-m", "liveserver", "serve"]

    def environment(self) -> dict[str, str]:
        """A database of its own."""
        return {
            "LIVESERVER_PORT": str(self.port),
            "LIVESERVER_DATABASE_URL": f"sqlite:///{self.directory}/live.db",
            "LIVESERVER_PUBLIC_URL": PUBLIC_URL,
        }

    @property
    def opening(self) -> Opening:
        """The stream of the live blog."""
        stream = "events" if self.discipline.transport is Transport.SSE else "ws"
        path = f"/api/v1/liveblogs/{SLUG}/{stream}"
        return Opening(self.discipline.transport, f"127.0.0.1:{self.port}", path, self.discipline.deflate, key=KEY)

    async def client(self) -> Client:
        """A client that may do everything; the live blog is there."""
        if self._client is None:
            command = [sys.executable, "-m", "liveserver", "keys", "create", "--name", "benchmark"]
            command += ["--scope", "publish", "--scope", "manage"]
            environment = {**os.environ, **self.environment()}
            made = await asyncio.to_thread(
                subprocess.run, command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
            )
            self._client = await Client(self.url, made.stdout.strip()).__aenter__()
            await self._client.create_liveblog({"slug": SLUG, "title": TITLE, "language": "en", "timezone": "UTC"})
        return self._client

    async def source(self, run: str) -> Source:
        """Entries over its API."""
        newsroom = Publisher(await self.client(), SLUG, run=run, size=ENTRY_BYTES)
        await newsroom.rehearse()
        return newsroom

    async def _answering(self) -> None:
        await super()._answering()
        async with httpx2.AsyncClient() as http:
            (await http.get(f"{self.url}/readyz")).raise_for_status()

    async def _end(self) -> None:
        if self._client is not None:
            await self._client.__aexit__()
        await super()._end()


class StarletteLoop(Contestant):
    """What the documentation of Starlette and uvicorn shows."""

    name = "Starlette, `await send_text`"

    @classmethod
    def check(cls) -> str:
        """Of both."""
        return f"Starlette {version('starlette')}, uvicorn {version('uvicorn')}"

    def command(self) -> Sequence[str]:
        """By uvicorn's command line, with its defaults."""
        app = "benchmarks.servers.starlette_loop:app"
        options = ["--port", str(self.port), "--log-level", "warning", "--no-access-log", "--backlog", "4096"]
        return [sys.executable, "-m", "uvicorn", app, *options]


class WebsocketsBroadcast(Contestant):
    """The websockets library's own server."""

    name = "websockets, `broadcast()`"

    def __init__(self, discipline: Discipline, directory: Path, template: Template) -> None:
        super().__init__(discipline, directory, template)
        self._publishing_port = free_port()

    @classmethod
    def check(cls) -> str:
        """Of the library."""
        return f"websockets {version('websockets')}"

    def command(self) -> Sequence[str]:
        """Two ports: one for viewers, one for messages."""
        module = "benchmarks.servers.websockets_broadcast"
        return [sys.executable, "-m", module, str(self.port), str(self.publishing_port)]

    @property
    def publishing_port(self) -> int:
        """Its own."""
        return self._publishing_port


class NodeWs(Contestant):
    """Node's ws."""

    name = "Node, `ws`"
    modules: ClassVar[str] = os.pathsep.join([os.environ.get("NODE_PATH", ""), str(ROOT / "web" / "node_modules")])

    @classmethod
    def check(cls) -> str:
        """Of Node and the package."""
        print_versions = "console.log(`Node ${process.versions.node}, ws ${require('ws/package.json').version}`)"
        try:
            return first_line(program("node"), "-e", print_versions, NODE_PATH=cls.modules)
        except subprocess.CalledProcessError:
            raise NotInstalled("Node finds no package ws (npm install ws, NODE_PATH)") from None

    def command(self) -> Sequence[str]:
        """One process."""
        return [program("node"), str(SERVERS / "ws.cjs"), str(self.port)]

    def environment(self) -> dict[str, str]:
        """Where ws is."""
        return {"NODE_PATH": self.modules}


class Nchan(Contestant):
    """The nginx module."""

    name = "Nchan"
    module: ClassVar[Path | None] = None
    """A module that isn't where distributions put it."""

    @classmethod
    def check(cls) -> str:
        """Of nginx; the module doesn't tell its own."""
        nginx = program("nginx")
        shown = subprocess.run([nginx, "-V"], stderr=subprocess.PIPE, text=True, check=True).stderr
        if cls._module() is None and "nchan" not in shown:
            raise NotInstalled("nginx has no module nchan (Debian: libnginx-mod-nchan)")
        return shown.partition("\n")[0].rpartition(" ")[2]

    @classmethod
    def _module(cls) -> Path | None:
        usual = [
            Path(folder, "ngx_nchan_module.so") for folder in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules")
        ]
        return next((path for path in [cls.module, *usual] if path is not None and path.is_file()), None)

    def command(self) -> Sequence[str]:
        """One worker, with a configuration of its own."""
        module = self._module()
        text = (SERVERS / "nchan.conf").read_text()
        for word, value in {
            "LOAD_MODULE": f"load_module {module};" if module else "",
            "DIRECTORY": str(self.directory.resolve()),
            "FILES": str(resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            "PORT": str(self.port),
        }.items():
            text = text.replace(word, value)
        path = self.directory / "nginx.conf"
        path.write_text(text)
        return [program("nginx"), "-c", str(path.resolve()), "-p", str(self.directory.resolve())]


CONTESTS: list[tuple[Discipline, list[type[Contestant]]]] = [
    (WS, [Floor, BarePython, Liveserver, Nchan, NodeWs, WebsocketsBroadcast, StarletteLoop]),
    (DEFLATED, [Floor, Liveserver]),
    (SSE, [Floor, Liveserver]),
]
"""The contestants that are compared with one another; the floor comes first."""

ENTRY_BYTES = 400
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The `Sec-WebSocket-Key` of RFC 6455's own example."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """Where a program is. Raises NotInstalled."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if found is None:
        raise NotInstalled(f"{name} is not installed")
    return found


def first_line(*command: str, **variables: str) -> str:
    """The first line of what a command prints."""
    shown = subprocess.run(
        command,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    return shown.stdout.partition("\n")[0]
