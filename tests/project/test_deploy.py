"""The files for operators: docker-compose.yml, Dockerfile, .env.example, and nginx's configuration, on a real nginx."""

from __future__ import annotations

import asyncio
import configparser
import contextlib
import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import yaml

from liveserver.settings import SECRETS, Settings, load
from tests.support.checkout import ROOT
from tests.support.services import free_port, required

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENV_EXAMPLE = (ROOT / ".env.example").read_text()


def test_compose_services() -> None:
    """Every service has an image, and what it depends on is there and can reach the state that is waited for."""
    assert set(SERVICES) == {"liveserver", "migrate", "nginx", "postgres", "redis"}
    for name, service in SERVICES.items():
        assert "image" in service or "build" in service, name
        for other, wait in service.get("depends_on", {}).items():
            assert other in SERVICES
            if wait["condition"] == "service_healthy":
                # liveserver's own is the HEALTHCHECK of the image
                assert "healthcheck" in SERVICES[other] or "build" in SERVICES[other]
    assert SERVICES["liveserver"]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert SERVICES["migrate"]["command"] == ["migrate"]
    assert SERVICES["migrate"]["restart"] == "no"


def test_compose_volumes() -> None:
    """Named volumes are declared, mounted files exist, and the database keeps its files in a volume."""
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"]
    assert any(mount.endswith(":/var/lib/postgresql/data") for mount in SERVICES["postgres"]["volumes"])


def test_compose_network() -> None:
    """Only nginx is reached from outside; liveserver believes what that network says of readers, and no other."""
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    for name in ("liveserver", "migrate"):
        assert SERVICES[name]["environment"]["LIVESERVER_FORWARDED_ALLOW_IPS"] == network["subnet"]
        assert "@postgres/" in SERVICES[name]["environment"]["LIVESERVER_DATABASE_URL"]
    assert SERVICES["liveserver"]["environment"]["LIVESERVER_REDIS_URL"].startswith("redis://redis:")


def test_compose_confines() -> None:
    """Nothing is written but data, no capability is had but what nginx's first process needs, none can be got."""
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service
        assert service.get("user") == {"postgres": "postgres", "redis": "redis"}.get(name)
    assert {name: service["cap_add"] for name, service in SERVICES.items() if "cap_add" in service} == {
        "nginx": ["CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"]
    }
    commands = [str(service.get("command")) for service in SERVICES.values()]
    assert not [command for command in commands if "PASSWORD" in command]


def test_compose_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """liveserver's settings take the values that compose sets."""
    for name, value in SERVICES["liveserver"]["environment"].items():
        filled = re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value)
        monkeypatch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", filled))
    monkeypatch.chdir(tmp_path)
    settings = load()
    assert settings.database_url == "postgresql://liveserver:secret@postgres/liveserver"
    assert settings.public_url == "http://localhost:8000"


@pytest.mark.parametrize(
    "name",
    [
        ".env.example",
        "Dockerfile",
        "deploy/nginx.conf",
        "deploy/tls.conf",
        "docker-compose.yml",
        "deploy/docker-compose.tls.yml",
        "deploy/liveserver.service",
    ],
)
def test_settings_exist(name: str) -> None:
    """Every LIVESERVER_ variable that a file names is a setting, or names the file of one."""
    named = {match.lower() for match in re.findall(r"LIVESERVER_([A-Z_]+)", (ROOT / name).read_text())}
    assert named <= {*Settings.model_fields, *(f"{secret}_file" for secret in SECRETS)}


def test_env_example_shows_the_defaults() -> None:
    """A line that is commented out has the setting's default."""
    shown = dict(re.findall(r"^#LIVESERVER_([A-Z_]+)=(.*)$", ENV_EXAMPLE, re.MULTILINE))
    assert len(shown) >= 8
    for name, value in shown.items():
        default = Settings.model_fields[name.lower()].default
        assert value == ("" if default is None else str(default)), name


def test_env_example_feeds_compose() -> None:
    """Every variable that compose wants from .env is in the example; commented out where compose has a default."""
    files = ("docker-compose.yml", "deploy/docker-compose.tls.yml")
    found = [match for file in files for match in re.findall(r"\$\{(\w+)(:-)?", (ROOT / file).read_text())]
    assert {name for name, default in found if not default} <= set(re.findall(r"^(\w+)=", ENV_EXAMPLE, re.MULTILINE))
    assert {name for name, _ in found} <= set(re.findall(r"^#?(\w+)=", ENV_EXAMPLE, re.MULTILINE))


def test_a_copy_of_env_example_changes_no_setting() -> None:
    """A public URL in it made links lead to port 8000, whatever port the server was on."""
    assert re.findall(r"^LIVESERVER_\w+", ENV_EXAMPLE, re.MULTILINE) == []


def test_systemd_unit() -> None:
    """It starts a command that there is, waits for the drain, and lets the service write to its state only."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "deploy/liveserver.service")
    service = unit["Service"]
    program, *command = service["ExecStart"].split()
    assert (program.rpartition("/")[2], command) == ("liveserver", ["serve"])
    defaults = {name: Settings.model_fields[name].default for name in ("drain", "graceful_timeout")}
    assert float(service["TimeoutStopSec"]) >= max(defaults.values()) + 5
    scaling = (ROOT / "docs/scaling.md").read_text()
    assert f"`TimeoutStopSec={service['TimeoutStopSec']}`" in scaling, "the documents give the same advice"
    # Paths that aren't told are relative to it, and nothing else may be written to.
    assert f"/var/lib/{service['StateDirectory']}" == service["WorkingDirectory"]
    assert not any(name.startswith("environment") for name in map(str.lower, service))
    assert Settings.model_fields["database_url"].default.removeprefix("sqlite:///")[0] != "/"
    assert [service[name] for name in ("User", "ProtectSystem", "NoNewPrivileges")] == ["liveserver", "strict", "yes"]


def test_dockerfile() -> None:
    """The image runs as an ordinary user, says whether it is ready, and copies only what the context holds."""
    instructions = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    assert [line for line in instructions if line.startswith("USER ")] == ["USER liveserver"]
    assert any(line.startswith("HEALTHCHECK ") and "/readyz" in line for line in instructions)
    assert "EXPOSE 8000" in instructions
    assert json.loads(instructions[-2].removeprefix("ENTRYPOINT ")) == ["liveserver"]
    assert json.loads(instructions[-1].removeprefix("CMD ")) == ["serve", "--host", "0.0.0.0"]
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / path).exists() for path in kept)
    assert {"hatch_build.py", "liveserver", "pyproject.toml", "web"} <= set(kept)


@pytest.mark.parametrize("name", ["README.md", "deploy/nginx.conf", "docs/settings.md"])
def test_newcomers_are_told_of_the_public_address(name: str) -> None:
    """Where a proxy is put in front: what goes wrong without it is seen by readers only."""
    text = (ROOT / name).read_text()
    assert "LIVESERVER_PUBLIC_URL" in text
    assert "localhost" in text


def local_configuration(
    folder: Path, *, listen: int, upstreams: Sequence[int], changes: Sequence[tuple[str, str]] = ()
) -> Path:
    """deploy/nginx.conf with this machine's ports, and nothing written outside `folder`."""
    text = (ROOT / "deploy/nginx.conf").read_text()
    # Large bodies are files in `folder`, which is nobody's but ours.
    user = "\nuser root;" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    [server] = re.findall(r"\n *server liveserver:8000[^\n]*", text)
    for old, new in [
        ("listen 80 ", f"listen 127.0.0.1:{listen} "),
        (server, "".join(server.replace("liveserver:8000", f"127.0.0.1:{port}") for port in upstreams)),
        ("pid /var/run/nginx.pid;", f"pid {folder}/nginx.pid;\ndaemon off;"),
        ("worker_processes auto;", f"worker_processes 1;{user}"),
        ("include /etc/nginx/liveserver.d/", f"include {folder}/liveserver.d/"),
        ("http {\n", "http {\n" + "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)),
        *changes,
    ]:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


class Upstream:
    """Stands in for liveserver: records requests, and answers each as its path asks."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.go_on = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            start, *lines = head.rstrip().split("\r\n")
            pairs = (line.split(": ", 1) for line in lines)
            self.requests.append((start, {name.lower(): value for name, value in pairs}))
            path = start.split()[1]
            if "/ws?" in path:
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                writer.write(await reader.readexactly(4))
            elif path.endswith("/stream"):
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                await self.go_on.wait()
                writer.write(b"late")
            elif path == "/unavailable":
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            elif path == "/silent":
                await self.go_on.wait()
            elif path == "/large":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Large: %b\r\n\r\n" % (b"x" * 64 * 1024))
            elif path.endswith("/events"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n")
                await self.go_on.wait()
                writer.write(b"data: two\n\n")
            else:
                body = b"<p>page</p>" * 500
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()


class Proxy:
    """A running nginx with our configuration, before an Upstream."""

    def __init__(self, port: int, upstream: Upstream) -> None:
        self.port = port
        self.upstream = upstream

    async def send(self, request: str, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request's head; what comes back is for the caller to read."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"{request} HTTP/1.1", "Host: live.example.org:8443", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        return reader, writer

    async def get(self, path: str, *headers: str) -> bytes:
        """The whole answer to a GET."""
        reader, writer = await self.send(f"GET {path}", "Connection: close", *headers)
        with contextlib.closing(writer):
            return await reader.read()


@contextlib.asynccontextmanager
async def nginx(folder: Path, upstreams: Sequence[int], changes: Sequence[tuple[str, str]] = ()) -> AsyncIterator[int]:
    """nginx with our configuration before those ports, while it runs; its own port."""
    port = free_port()
    configuration = local_configuration(folder, listen=port, upstreams=upstreams, changes=changes)
    # From the master's start to the last worker's end this pipe is open; "start worker process" says it listens.
    process = await asyncio.create_subprocess_exec(
        required("nginx"), "-c", configuration, "-e", "/dev/stderr", "-g", "error_log /dev/stderr notice;", stderr=-1
    )
    assert process.stderr is not None
    log = b""
    while b"start worker process " not in log:
        line = await process.stderr.readline()
        log += line
        assert line, log.decode()
    rest = asyncio.create_task(process.stderr.read())
    try:
        yield port
    finally:
        process.terminate()
        await rest
        await process.wait()


@pytest_asyncio.fixture
async def proxy(tmp_path: Path) -> AsyncIterator[Proxy]:
    upstream = Upstream()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(upstream, "127.0.0.1", 0))
        port = await stack.enter_async_context(nginx(tmp_path, [server.sockets[0].getsockname()[1]]))
        stack.callback(upstream.go_on.set)
        yield Proxy(port, upstream)


async def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    """`nginx -t`, without a warning."""
    configuration = local_configuration(tmp_path, listen=free_port(), upstreams=[free_port(), free_port()])
    process = await asyncio.create_subprocess_exec(
        required("nginx"), "-t", "-c", configuration, "-e", "/dev/stderr", stderr=-1
    )
    _, log = await process.communicate()
    assert process.returncode == 0, log.decode()
    assert b"[emerg]" not in log
    assert not [
        line for line in log.decode().splitlines() if "[warn]" in line and "open file resource limit" not in line
    ]


async def test_nginx_passes_a_page(proxy: Proxy) -> None:
    """A page is compressed; liveserver learns the reader's true address and the host, whatever the reader claims."""
    answer = await proxy.get(
        "/live/storm", "X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https", "Accept-Encoding: gzip"
    )
    assert b"200 OK" in answer
    assert b"Content-Encoding: gzip" in answer
    ((start, headers),) = proxy.upstream.requests
    assert start == "GET /live/storm HTTP/1.1"
    assert headers["host"] == headers["x-forwarded-host"] == "live.example.org:8443"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert "upgrade" not in headers
    assert "connection" not in headers


async def test_nginx_passes_a_websocket(proxy: Proxy) -> None:
    """An upgrade reaches liveserver, and bytes pass both ways after it."""
    reader, writer = await proxy.send(
        "GET /api/v1/liveblogs/storm/ws?after=x-1", "Upgrade: websocket", "Connection: Upgrade"
    )
    with contextlib.closing(writer):
        assert b"101 Switching" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ping")
        assert await reader.readexactly(4) == b"ping"
    ((_, headers),) = proxy.upstream.requests
    assert (headers["upgrade"], headers["connection"]) == ("websocket", "upgrade")


async def test_nginx_does_not_hold_events_back(proxy: Proxy) -> None:
    """An event arrives while the response is still open, and is never compressed."""
    reader, writer = await proxy.send("GET /api/v1/liveblogs/storm/events", "Accept-Encoding: gzip")
    with contextlib.closing(writer):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Encoding" not in head
        assert b"data: one\n\n" in await reader.readuntil(b"data: one\n\n")
        proxy.upstream.go_on.set()
        assert b"data: two\n\n" in await reader.readuntil(b"data: two\n\n")


async def test_nginx_takes_pictures(proxy: Proxy) -> None:
    """As large as liveserver takes them by default; nothing else is so large."""
    size = Settings.model_fields["media_max_size"].default
    for path, answer in (
        ("/api/v1/media", b"100 Continue"),
        ("/desk/api/v1/media", b"100 Continue"),
        ("/api/v1/liveblogs/storm/entries", b"413"),
        ("/desk/api/v1/liveblogs/storm/entries", b"413"),
        ("/desk/api/v1/media/x", b"413"),
    ):
        reader, writer = await proxy.send(f"POST {path}", f"Content-Length: {size + 50_000}", "Expect: 100-continue")
        with contextlib.closing(writer):
            assert answer in await reader.readuntil(b"\r\n")


UPGRADE = ("Upgrade: websocket", "Connection: Upgrade")
STREAMS = ("/api/v1/liveblogs/storm/events", "/desk/api/v1/liveblogs/storm/stream")


async def test_nginx_lets_streams_be_silent_for_longer_than_other_answers(tmp_path: Path) -> None:
    """Those of readers, and those of the desk. The last words come after another answer was too late."""
    upstream = Upstream()
    soon = [("proxy_read_timeout 30s", "proxy_read_timeout 100ms")]
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(upstream, "127.0.0.1", 0))
        port = await stack.enter_async_context(nginx(tmp_path, [server.sockets[0].getsockname()[1]], soon))
        stack.callback(upstream.go_on.set)
        proxy = Proxy(port, upstream)
        readers = []
        for path in STREAMS:
            reader, writer = await proxy.send(f"GET {path}", *(UPGRADE if path.endswith("/stream") else ()))
            stack.enter_context(contextlib.closing(writer))
            await reader.readuntil(b"\r\n\r\n")
            readers.append(reader)
        assert (await proxy.get("/silent")).startswith(b"HTTP/1.1 504 ")
        upstream.go_on.set()
        assert b"data: two\n\n" in await readers[0].readuntil(b"two\n\n")
        assert await readers[1].readexactly(4) == b"late"


@pytest.mark.parametrize("path", STREAMS)
async def test_nginx_counts_the_streams_that_an_address_holds(tmp_path: Path, path: str) -> None:
    """Those of readers, and those of the desk."""
    upstream = Upstream()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(upstream, "127.0.0.1", 0))
        one = [("limit_conn held 4000", "limit_conn held 1")]
        port = await stack.enter_async_context(nginx(tmp_path, [server.sockets[0].getsockname()[1]], one))
        stack.callback(upstream.go_on.set)
        proxy = Proxy(port, upstream)
        reader, writer = await proxy.send(f"GET {path}", *(UPGRADE if path.endswith("/stream") else ()))
        stack.enter_context(contextlib.closing(writer))
        await reader.readuntil(b"\r\n\r\n")
        assert (await proxy.get(path)).startswith(b"HTTP/1.1 429 ")


@pytest.mark.parametrize("path", ["/unavailable", "/large"])
async def test_nginx_leaves_no_node_out_because_of_an_answer(tmp_path: Path, path: str) -> None:
    """Not even of one that it doesn't take itself; nor does a node that is gone cost a reader anything."""
    upstream = Upstream()
    async with contextlib.AsyncExitStack() as stack:
        for_us = [await stack.enter_async_context(await asyncio.start_server(upstream, "127.0.0.1", 0)) for _ in "ab"]
        ports = [server.sockets[0].getsockname()[1] for server in for_us]
        proxy = Proxy(await stack.enter_async_context(nginx(tmp_path, [*ports, free_port()])), upstream)
        for _ in range(6):
            assert re.match(rb"HTTP/1.1 50[23] ", await proxy.get(path))
            assert b"200 OK" in await proxy.get("/live/storm")


async def test_nginx_says_what_is_too_much(tmp_path: Path) -> None:
    """As liveserver does: 429, a problem document, and when to come back."""
    upstream = Upstream()
    few = [("zone=requests:16m rate=1000r/s", "zone=requests:16m rate=1r/m")]
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(upstream, "127.0.0.1", 0))
        text = (ROOT / "deploy/nginx.conf").read_text()
        location = text[text.index("        location / {") :].partition("}")[0]
        few.append((location, location.replace("burst=10000", "burst=1")))
        port = await stack.enter_async_context(nginx(tmp_path, [server.sockets[0].getsockname()[1]], few))
        proxy = Proxy(port, upstream)
        for _ in range(2):
            assert b"200 OK" in await proxy.get("/live/storm")
        head, _, body = (await proxy.get("/live/storm")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429 ")
        assert {b"Retry-After: 2", b"Content-Type: application/problem+json"} <= set(head.split(b"\r\n"))
        assert json.loads(body)["status"] == 429


async def test_nginx_says_what_is_too_large(proxy: Proxy) -> None:
    """As liveserver would: nothing of it is passed on."""
    reader, writer = await proxy.send("POST /api/v1/liveblogs", f"Content-Length: {2 << 20}")
    with contextlib.closing(writer):
        # It waits for a while for the rest, and then resets the connection.
        head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        body = await reader.readuntil(b"}")
    assert head[0].startswith(b"HTTP/1.1 413 ")
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == 413
    assert proxy.upstream.requests == []


async def test_nginx_has_a_page_for_when_no_node_is_there(tmp_path: Path) -> None:
    """A person is told in two languages, a program in JSON; with nginx's own code, and when to come back."""
    async with nginx(tmp_path, [free_port(), free_port()]) as port:
        proxy = Proxy(port, Upstream())
        head, _, body = (await proxy.get("/live/storm", "Accept: text/html,*/*;q=0.8")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 502 ")
        told = {
            b"Content-Type: text/html; charset=utf-8",
            b"Retry-After: 5",
            b"Cache-Control: no-store",
            b"Refresh: 10",
        }
        assert told <= set(head.split(b"\r\n"))
        assert "Le direct ne répond pas" in body.decode()
        assert "The live coverage doesn’t answer" in body.decode()
        for path in ("/api/v1/liveblogs/storm", "/api/v1/liveblogs/storm/events", "/live/storm/feed.rss"):
            head, _, body = (await proxy.get(path, "Accept: */*")).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 502 ")
            assert {b"Content-Type: application/problem+json", b"Retry-After: 5"} <= set(head.split(b"\r\n"))
            assert (json.loads(body)["status"], json.loads(body)["title"]) == (502, "Bad Gateway")


async def test_nginx_tells_a_late_answer_from_none(tmp_path: Path) -> None:
    """After a 504 a publish may have been done. A node's own answer reaches the reader as it is."""
    upstream = Upstream()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(await asyncio.start_server(upstream, "127.0.0.1", 0))
        node = server.sockets[0].getsockname()[1]
        soon = [("proxy_read_timeout 30s", "proxy_read_timeout 100ms")]
        for folder in ("hasty", "patient"):
            (tmp_path / folder).mkdir()
        hasty, patient = [
            Proxy(await stack.enter_async_context(nginx(folder, [node], changes)), upstream)
            for folder, changes in ((tmp_path / "hasty", soon), (tmp_path / "patient", []))
        ]
        stack.callback(upstream.go_on.set)
        head, _, body = (await hasty.get("/silent")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 504 ")
        assert json.loads(body)["status"] == 504
        head, _, body = (await patient.get("/unavailable", "Accept: text/html")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert (b"Retry-After" in head, body) == (False, b"")


async def test_nginx_keeps_metrics_inside(proxy: Proxy) -> None:
    """The metrics are not for readers."""
    assert b"404 Not Found" in await proxy.get("/metrics")
    assert proxy.upstream.requests == []
