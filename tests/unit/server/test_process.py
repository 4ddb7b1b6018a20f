"""A process's settings of its sockets and of uvicorn; its beginning and its end are in `tests/acceptance/`."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import signal
import socket
import threading
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import uvicorn
from starlette.applications import Starlette
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from liveserver.server import connection_capacity, process, uvicorn_server
from liveserver.server.connection_capacity import UNLIMITED
from liveserver.utils import heap
from liveserver.utils.limits.refusals import LogInterval, Reason, refusals
from tests.support.viewers import PATIENCE
from tests.support.websocket_peer import Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from uvicorn._types import HTTPScope

    from liveserver.settings import Settings


def test_the_listening_socket_never_blocks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers share it: while one of them starts, another that blocks in `accept` would stand still."""
    modes: list[bool] = []

    def run(_server: uvicorn_server.Server, sockets: list[socket.socket]) -> None:
        modes.extend(os.get_blocking(one.fileno()) for one in (*sockets, listener))
        for one in sockets:
            one.close()

    monkeypatch.setattr(uvicorn_server.Server, "run", run)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        # As it comes out of a pickle: its mode is the file's, but it doesn't know.
        received = socket.socket(fileno=os.dup(listener.fileno()))
        assert received.gettimeout() is None
        process.run(settings, received)
    assert len(modes) > 1
    assert not any(modes)


def test_any_proxy_beside_some(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn would take a star among others for the name of a socket."""
    trusted: list[str | list[str] | None] = []

    def run(made: uvicorn_server.Server, sockets: list[socket.socket]) -> None:
        trusted.append(made.config.forwarded_allow_ips)
        for one in sockets:
            one.close()

    monkeypatch.setattr(uvicorn_server.Server, "run", run)
    for given in ("10.0.0.0/8,*", "10.0.0.0/8,::1"):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process.run(settings.model_copy(update={"forwarded_allow_ips": given}), listener)
    assert trusted == ["*", "10.0.0.0/8,::1"]


async def test_requests_in_a_row_share_no_context(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note of one request, such as its key, isn't there for the next, whose turn comes when it is answered."""
    servers: list[uvicorn_server.Server] = []

    def run(made: uvicorn_server.Server, sockets: list[socket.socket]) -> None:
        servers.append(made)
        for one in sockets:
            one.close()

    monkeypatch.setattr(uvicorn_server.Server, "run", run)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process.run(settings, listener)
    noted: ContextVar[bytes | None] = ContextVar("noted", default=None)
    found: list[bytes | None] = []

    async def app(scope: HTTPScope, _receive: object, send: Callable[[object], Awaitable[None]]) -> None:
        found.append(noted.get())
        noted.set(scope["raw_path"])
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config = servers[0].config
    config.load()
    config.loaded_app = app
    state = ServerState()
    protocol = config.http_protocol_class(config, state, {})  # type: ignore[call-arg]
    transport = Transport()
    protocol.connection_made(transport)
    protocol.data_received(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(3)))
    async with asyncio.timeout(PATIENCE):
        while state.tasks:
            await asyncio.wait(state.tasks)
    protocol.connection_lost(None)
    assert b"".join(transport.written).count(b"204 No Content") == 3
    assert found == [None] * 3


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_what_can_not_be_accepted_is_a_line_in_a_while(
    number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As the event loops tell of it, again and again."""
    monkeypatch.setattr(refusals, "_lines", {reason: LogInterval() for reason in Reason})
    before = refusals.counts[Reason.TOO_MANY_CONNECTIONS]
    context = {"message": "socket.accept() out of system resource", "exception": OSError(number, os.strerror(number))}
    with capture_logs() as lines:
        for _ in range(100):
            uvicorn_server.exhausted(asyncio.get_running_loop(), context)
    assert [(line["reason"], line["why"]) for line in lines] == [("too-many-connections", os.strerror(number))]
    assert refusals.counts[Reason.TOO_MANY_CONNECTIONS] == before + 100
    assert caplog.text == ""


@pytest.mark.parametrize(
    "context",
    [
        {"exception": ValueError("a defect")},
        {"exception": OSError(errno.EIO, "of the disk")},
        {"exception": OSError(errno.EMFILE, "in a task of ours"), "future": None},
        {},
    ],
)
async def test_what_else_nobody_has_caught_is_told_in_full(
    context: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    before = refusals.counts[Reason.TOO_MANY_CONNECTIONS]
    uvicorn_server.exhausted(asyncio.get_running_loop(), {"message": "not caught", **context})
    assert "not caught" in caplog.text
    assert refusals.counts[Reason.TOO_MANY_CONNECTIONS] == before


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_signal_ends_the_wait_at_once(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that comes while nothing else would wake the event loop."""
    monkeypatch.setattr(uvicorn_server, "SECOND", 2 * PATIENCE)
    app = Starlette()
    drains: list[bool] = []
    app.state.services = SimpleNamespace(hub=SimpleNamespace(begin_draining=lambda: drains.append(True)))
    waiting = uvicorn_server.Server(uvicorn.Config(app, loop=loop), app, lambda parts: None)
    waiting.started = True

    async def main() -> None:
        signal.signal(signal.SIGTERM, waiting.handle_exit)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        began = asyncio.get_running_loop().time()
        async with asyncio.timeout(PATIENCE):
            await waiting.main_loop()
        # That the timeout wakes it isn't enough.
        assert asyncio.get_running_loop().time() < began + PATIENCE

    handler = signal.getsignal(signal.SIGTERM)
    try:
        with asyncio.Runner(loop_factory=waiting.config.get_loop_factory()) as runner:
            runner.run(main())
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert drains


async def test_memory_is_given_back_when_many_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """While others stay; nobody waits for it."""
    monkeypatch.setattr(uvicorn_server, "SECOND", 0.001)
    given, loop = asyncio.Event(), asyncio.get_running_loop()
    monkeypatch.setattr(heap, "trim", lambda: loop.call_soon_threadsafe(given.set))
    app = Starlette()
    serving = uvicorn_server.Server(uvicorn.Config(app), app, lambda parts: None)
    serving.server_state.connections = set(range(2 * heap.LEFT))  # type: ignore[arg-type]
    running = asyncio.create_task(serving.main_loop())
    await asyncio.sleep(0.01)
    assert not given.is_set()
    serving.server_state.connections = set(range(heap.LEFT))  # type: ignore[arg-type]
    async with asyncio.timeout(PATIENCE):
        await given.wait()
        serving.should_exit = True
        await running


def test_the_limit_is_the_one_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_capacity.descriptors() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert connection_capacity.descriptors() == UNLIMITED
