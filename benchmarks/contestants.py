"""The servers that are compared: how to start and stop each, how to connect viewers, and how to publish messages."""

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
"""The public URL in the messages of all servers. It has no port, as the messages' length mustn't depend on a port."""
SLUG = "benchmark"


class NotInstalled(Exception):
    """A server can't be measured on this machine. The error's message says what is missing."""


@dataclass(frozen=True)
class Discipline:
    """A way of sending messages to viewers. The servers of one discipline send the same bytes to every viewer."""

    name: str
    transport: Transport = Transport.WS
    deflate: bool = False

    def bytes_of(self, frame: Frame) -> bytes:
        """Return the bytes in which a message is sent to a viewer."""
        if self.transport is Transport.SSE:
            return frame.sse
        return frame.ws_deflated if self.deflate else frame.ws


WS = Discipline("WebSocket")
DEFLATED = Discipline("WebSocket, deflated", deflate=True)
SSE = Discipline("SSE", Transport.SSE)


class Contestant(ABC):
    """A server that is compared, as a process. Each object is an asynchronous context manager, for one run."""

    name: ClassVar[str]
    greeted: ClassVar[bool] = False
    """True if the server sends each new viewer the message `hello`."""
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
        """Return the version of the server's software. Raises NotInstalled if the software is missing."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """Return the command that starts the server."""

    def environment(self) -> dict[str, str]:
        """Return environment variables for the server, in addition to those of this process except LIVESERVER_*."""
        return {}

    @property
    def url(self) -> str:
        """The URL of the server's root."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the server's first process, which may have child processes."""
        assert self._process is not None
        return self._process.pid

    @property
    def opening(self) -> Opening:
        """The request with which a viewer opens its stream."""
        discipline = self.discipline
        # The floor gets the answer to this key as an argument (`accept`). The other servers take any key.
        return Opening(discipline.transport, f"127.0.0.1:{self.port}", self.path, discipline.deflate, key=KEY)

    async def source(self, run: str) -> Source:
        """Return the publisher of the messages of one run. `run`: the run's id."""
        return Poster(self.publishing_port, "/publish", self.body, self.template, run)

    @property
    def publishing_port(self) -> int:
        """The server's port to which messages are posted."""
        return self.port

    def body(self, frame: Frame) -> bytes:
        """Return the body of the POST request that publishes a message."""
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
        """End the server's process and its children: nginx's workers outlive a master process that is killed."""
        assert self._process is not None
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    await self._process.wait()
                    return


class Floor(Contestant):
    """The floor: a program in C that does the least that a server can do (`servers/floor.c`)."""

    name = "floor"

    @classmethod
    def check(cls) -> str:
        """Return the version of the C compiler. Raises NotInstalled if there is none."""
        return first_line(program("cc"), "--version")

    @classmethod
    def compile(cls, directory: Path) -> None:
        """Compile the program into a folder. Once is enough for all runs."""
        subprocess.run([program("cc"), "-O2", "-o", directory / "floor", SERVERS / "floor.c"], check=True)

    def command(self) -> Sequence[str]:
        """Return the command of the program, which was compiled into the folder above that of the run."""
        return [str(self.directory.parent / "floor"), str(self.port), self.opening.accept]

    def body(self, frame: Frame) -> bytes:
        """Return the bytes that viewers are to get: the floor sends them the body of a POST as it is."""
        return self.discipline.bytes_of(frame)


class BarePython(Contestant):
    """A server like the floor, but in Python (`servers/bare_python.py`)."""

    name = "Python, bare loop"

    @classmethod
    def check(cls) -> str:
        """Return the version of the Python interpreter."""
        return f"{sys.implementation.name} {sys.version.split()[0]}"

    def command(self) -> Sequence[str]:
        """Return the command that starts the server, with the same arguments as the floor's."""
        return [sys.executable, "-m", "benchmarks.servers.bare_python", str(self.port), self.opening.accept]

    def body(self, frame: Frame) -> bytes:
        """Return the bytes that viewers are to get: this server sends them the body of a POST as it is."""
        return self.discipline.bytes_of(frame)


class Liveserver(Contestant):
    """The liveserver, with its default settings: SQLite, no Redis, one process."""

    name = "liveserver"
    greeted = True

    def __init__(self, discipline: Discipline, directory: Path, template: Template) -> None:
        super().__init__(discipline, directory, template)
        self._client: Client | None = None

    @classmethod
    def check(cls) -> str:
        """Return the version of the package liveserver."""
        return version("liveserver")

    def command(self) -> Sequence[str]:
        """Return the command `liveserver serve`, with which an operator starts the server."""
        return [sys.executable, "-m", "liveserver", "serve"]

    def environment(self) -> dict[str, str]:
        """Return the settings: the port, a new database in the run's folder, and the public URL."""
        return {
            "LIVESERVER_PORT": str(self.port),
            "LIVESERVER_DATABASE_URL": f"sqlite:///{self.directory}/live.db",
            "LIVESERVER_PUBLIC_URL": PUBLIC_URL,
        }

    @property
    def opening(self) -> Opening:
        """The request with which a viewer opens the live blog's stream."""
        stream = "events" if self.discipline.transport is Transport.SSE else "ws"
        path = f"/api/v1/liveblogs/{SLUG}/{stream}"
        return Opening(self.discipline.transport, f"127.0.0.1:{self.port}", path, self.discipline.deflate, key=KEY)

    async def client(self) -> Client:
        """Return a client with all rights. The first call makes its API key, and creates the live blog."""
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
        """Return a publisher that publishes entries by the API. `run`: the run's id."""
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
    """Starlette behind uvicorn, as their documentation shows it (`servers/starlette_loop.py`)."""

    name = "Starlette, `await send_text`"

    @classmethod
    def check(cls) -> str:
        """Return the versions of Starlette and uvicorn."""
        return f"Starlette {version('starlette')}, uvicorn {version('uvicorn')}"

    def command(self) -> Sequence[str]:
        """Return the command that starts uvicorn. Apart from the log and the backlog, it has uvicorn's defaults."""
        app = "benchmarks.servers.starlette_loop:app"
        options = ["--port", str(self.port), "--log-level", "warning", "--no-access-log", "--backlog", "4096"]
        return [sys.executable, "-m", "uvicorn", app, *options]


class WebsocketsBroadcast(Contestant):
    """The server of the library websockets, with its function `broadcast` (`servers/websockets_broadcast.py`)."""

    name = "websockets, `broadcast()`"

    def __init__(self, discipline: Discipline, directory: Path, template: Template) -> None:
        super().__init__(discipline, directory, template)
        self._publishing_port = free_port()

    @classmethod
    def check(cls) -> str:
        """Return the version of the library websockets."""
        return f"websockets {version('websockets')}"

    def command(self) -> Sequence[str]:
        """Return the command that starts the server, with two ports: one for viewers, and one for messages."""
        module = "benchmarks.servers.websockets_broadcast"
        return [sys.executable, "-m", module, str(self.port), str(self.publishing_port)]

    @property
    def publishing_port(self) -> int:
        """The port to which messages are posted, which isn't the viewers' port."""
        return self._publishing_port


class NodeWs(Contestant):
    """A Node server with the package ws (`servers/ws.cjs`)."""

    name = "Node, `ws`"
    modules: ClassVar[str] = os.pathsep.join([os.environ.get("NODE_PATH", ""), str(ROOT / "web" / "node_modules")])

    @classmethod
    def check(cls) -> str:
        """Return the versions of Node and of the package ws. Raises NotInstalled if one of them is missing."""
        print_versions = "console.log(`Node ${process.versions.node}, ws ${require('ws/package.json').version}`)"
        try:
            return first_line(program("node"), "-e", print_versions, NODE_PATH=cls.modules)
        except subprocess.CalledProcessError:
            raise NotInstalled("Node finds no package ws (npm install ws, NODE_PATH)") from None

    def command(self) -> Sequence[str]:
        """Return the command that starts the server as one process."""
        return [program("node"), str(SERVERS / "ws.cjs"), str(self.port)]

    def environment(self) -> dict[str, str]:
        """Return NODE_PATH, which says in which folders Node looks for the package ws."""
        return {"NODE_PATH": self.modules}


class Nchan(Contestant):
    """An nginx server with the module Nchan (`servers/nchan.conf`)."""

    name = "Nchan"
    module: ClassVar[Path | None] = None
    """The path of the module Nchan, if it isn't in a folder in which distributions install it; otherwise None."""

    @classmethod
    def check(cls) -> str:
        """Return the version of nginx, as the module's own isn't shown. Raises NotInstalled if either is missing."""
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
        """Write a configuration with one worker into the run's folder, and return the command that starts nginx."""
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
"""The disciplines, each with the servers that are compared in it. The first server is the floor."""

ENTRY_BYTES = 400
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The `Sec-WebSocket-Key` of all viewers: the one of the example in RFC 6455, section 1.3."""


def free_port() -> int:
    """Return a port of the loopback interface on which no program listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """Return the path of a program. Raises NotInstalled if it isn't found."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
    if found is None:
        raise NotInstalled(f"{name} is not installed")
    return found


def first_line(*command: str, **variables: str) -> str:
    """Run a command, and return the first line that it prints. `variables`: additional environment variables."""
    shown = subprocess.run(
        command,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    return shown.stdout.partition("\n")[0]
