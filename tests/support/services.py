"""Real Redis and PostgreSQL servers as children of the test session, on free ports, to be stopped, killed and starved.

`redis_server` and `postgres_server` are shared by the session: leave them running. A test that harms a server starts
its own with `start_redis` or `start_postgres`. Where a program is missing the test is skipped, and fails instead if
LIVESERVER_TEST_REQUIRE_SERVICES=1.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

import pytest

from liveserver.store import migrate, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 30.0

EMPTY = """DO $$ DECLARE names text; BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  SELECT string_agg(format('%I', tablename), ', ') INTO names FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version';
  EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY CASCADE';
END $$;
SELECT version_num FROM alembic_version"""


def required(program: str) -> Path:
    """Where the program is. Skips or fails the test if it is nowhere."""
    found = shutil.which(program)
    if found:
        return Path(found)
    # Debian keeps PostgreSQL's servers off the PATH, one directory a version.
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{program}")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    if newest is None:
        lacking(f"{program} is not installed")
    return newest


def lacking(what: str) -> NoReturn:
    """Skip the test for want of something, or fail it if nothing may be wanting."""
    if os.environ.get("LIVESERVER_TEST_REQUIRE_SERVICES") == "1":
        pytest.fail(what)
    pytest.skip(what)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on, and that no other test is given before long."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def _own_ports() -> Iterator[int]:
    """Those of this process of pytest-xdist's, again and again, from any of them on.

    They lie below those that Linux gives to connections by itself, any of which may take one before a server does.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(16_384 + worker, 32_768, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    return islice(cycle(ports), random.randrange(len(ports)), None)


_PORTS = _own_ports()


class Server:
    """A server process, which keeps its port and its directory from one start to the next."""

    def __init__(self, command: list[str], port: int, directory: Path, ready: Callable[[], bool]) -> None:
        self.port = port
        self.directory = directory
        self._command = command
        self._ready = ready
        self._user: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Its output."""
        return self.directory.with_suffix(".log")

    def start(self) -> None:
        """Start it, and return once it answers."""
        assert self._process is None, "already started"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=self._user, cwd="/"
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self._command[0]} didn't start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut it down in order, cutting its connections; return once it has ended."""
        self._end(self._shutdown_signal)

    def kill(self) -> None:
        """SIGKILL it with all its children: what a power cut leaves of the process."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again after `stop` or `kill`; stop it first if it runs."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self._signal_family(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT, after `pause`."""
        self._signal_family(signal.SIGCONT)

    @property
    def _shutdown_signal(self) -> signal.Signals:
        return signal.SIGTERM

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        if how is signal.SIGKILL:
            self._signal_family(how)
        else:
            self._signal_family(signal.SIGCONT)
            self._process.send_signal(how)
        self._process.wait(START_SECONDS)
        self._process = None

    def _signal_family(self, number: signal.Signals) -> None:
        assert self._process is not None, "not started"
        for pid in (self._process.pid, *_children(self._process.pid)):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue


def _children(parent: int) -> list[int]:
    # PostgreSQL's children lead process groups of their own, so there is no group to signal.
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            children.append(int(stat.parent.name))
    return children


class RedisServer(Server):
    """A Redis that keeps nothing on disk."""

    def __init__(self, directory: Path, *options: str) -> None:
        port = free_port()
        directory.mkdir()
        command = [str(required("redis-server")), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
        super().__init__([*command, "--dir", str(directory), *options], port, directory, self._answers)

    @property
    def url(self) -> str:
        """For `LIVESERVER_REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                # NOAUTH is an answer too.
                return connection.recv(1) in (b"+", b"-")
        except OSError:
            return False


class PostgresServer(Server):
    """A PostgreSQL on a copy of an initialised directory. Without `fsync` it forgets at a power cut, not at a kill."""

    user = "liveserver"

    def __init__(
        self, cluster: Path, directory: Path, *, fsync: bool = False, options: dict[str, str] | None = None
    ) -> None:
        self._psql = str(required("psql"))
        self._is_ready = str(required("pg_isready"))
        self._numbers = count(1)
        port = free_port()
        subprocess.run(["cp", "-a", str(cluster), str(directory)], check=True)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "100",
            "fsync": "on" if fsync else "off",
            **(options or {}),
        }
        command = [str(required("postgres")), "-D", str(directory), "-p", str(port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        super().__init__(command, port, directory, self._answers)
        self._user = _postgres_user()

    @property
    def _shutdown_signal(self) -> signal.Signals:
        # "Fast": SIGTERM would wait until every client has gone.
        return signal.SIGINT

    def url(self, database: str) -> str:
        """For `LIVESERVER_DATABASE_URL`."""
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """Run a statement as the superuser; its rows as text."""
        command = [self._psql, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(database)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=START_SECONDS).stdout

    def create_database(self, *, template: str = "template0") -> str:
        """A new database; its name."""
        name = f"live_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def empty_database(self, name: str) -> str:
        """Cut its connections, and take all rows out of it: a third of what a new one costs; its revision."""
        return self.sql(EMPTY, database=name).strip()

    def drop_database(self, name: str) -> None:
        """Drop it, and cut its connections."""
        self.sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _answers(self) -> bool:
        command = [self._is_ready, "-q", "-h", "127.0.0.1", "-p", str(self.port), "-d", "postgres"]
        return subprocess.run(command, check=False, timeout=START_SECONDS).returncode == 0


def initialise_cluster(directory: Path) -> None:
    """Make an initialised directory of PostgreSQL, to be copied for each server."""
    directory.mkdir()
    user = _postgres_user()
    if user is not None:
        shutil.chown(directory, user)
    command = [str(required("initdb")), "-D", str(directory), "-U", PostgresServer.user]
    command += ["--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    subprocess.run(command, check=True, capture_output=True, user=user, cwd="/")


def _postgres_user() -> str | None:
    """The user that shall run PostgreSQL, which refuses to be root. None: the user that runs the tests."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class StartRedis(Protocol):
    """Starts a Redis for one test, with more of its command-line options."""

    def __call__(self, *options: str) -> RedisServer: ...


class StartPostgres(Protocol):
    """Starts a PostgreSQL for one test, with more settings of its configuration."""

    def __call__(self, *, fsync: bool = False, options: dict[str, str] | None = None) -> PostgresServer: ...


@pytest.fixture(scope="session")
def service_directory() -> Iterator[Path]:
    # Not pytest's own: PostgreSQL's user may not enter that.
    directory = Path(tempfile.mkdtemp(prefix="liveserver-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def redis_server(service_directory: Path) -> Iterator[RedisServer]:
    """The session's Redis."""
    server = RedisServer(service_directory / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start_redis(service_directory: Path, request: pytest.FixtureRequest) -> Iterator[StartRedis]:
    """Starts Redis servers that the test may stop, kill and pause."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        server = RedisServer(Path(tempfile.mkdtemp(dir=service_directory)) / "redis", *options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def postgres_cluster(service_directory: Path) -> Path:
    """An initialised directory, never started: copied for each server."""
    directory = service_directory / "cluster"
    initialise_cluster(directory)
    return directory


@pytest.fixture(scope="session")
def postgres_server(service_directory: Path, postgres_cluster: Path) -> Iterator[PostgresServer]:
    """The session's PostgreSQL."""
    server = PostgresServer(postgres_cluster, service_directory / "postgres")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start_postgres(service_directory: Path, postgres_cluster: Path) -> Iterator[StartPostgres]:
    """Starts PostgreSQL servers that the test may stop, kill and pause."""
    servers: list[PostgresServer] = []

    def start(*, fsync: bool = False, options: dict[str, str] | None = None) -> PostgresServer:
        directory = Path(tempfile.mkdtemp(dir=service_directory))
        directory.chmod(0o755)
        server = PostgresServer(postgres_cluster, directory / "postgres", fsync=fsync, options=options)
        servers.append(server)
        server.start()
        return server

    yield start
    for server in servers:
        server.kill()
        shutil.rmtree(server.directory)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated, empty database, to be copied."""
    name = postgres_server.create_database()
    # In a thread: the session's own event loop is pytest-asyncio's.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, migrate(postgres_server.url(name))).result()
    return name


@pytest.fixture(scope="session")
def postgres_spares() -> list[str]:
    """The names of migrated, empty databases that no test uses."""
    return []


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str, postgres_spares: list[str]) -> Iterator[str]:
    """A migrated, empty database for one test. Another one gets it afterwards, unless it has another revision now."""
    name = postgres_spares.pop() if postgres_spares else postgres_server.create_database(template=postgres_template)
    yield postgres_server.url(name)
    if postgres_server.empty_database(name) == schema.newest():
        postgres_spares.append(name)
    else:
        postgres_server.drop_database(name)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database without any table, for one test."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)
