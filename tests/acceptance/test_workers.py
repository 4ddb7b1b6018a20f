"""`serve --workers 2`: several processes behind one port."""

from __future__ import annotations

import os
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from liveserver.client import Client
from tests.acceptance.serving import START_SECONDS, LiveServer, eventually, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.services import RedisServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

LIVEBLOG = {"slug": "regate", "title": "La régate", "language": "fr", "timezone": "Europe/Paris"}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _pids(server: LiveServer) -> list[int]:
    return [line["pid"] for line in server.log("server.started")]


async def test_workers(tmp_path: Path, redis_server: RedisServer) -> None:
    """Each says that it has started; one that is killed is replaced; SIGTERM ends all."""
    prefix = f"test-{tmp_path.name}"
    server = LiveServer(tmp_path, workers="2", redis_url=redis_server.url, redis_prefix=prefix)
    async with started(server):
        await eventually(lambda: len(_pids(server)) == 2, seconds=START_SECONDS, what="the start of both")
        first, second = _pids(server)
        assert first != second
        assert server.pid not in (first, second)

        async with Client(server.url, await server.key()) as client:
            await client.create_liveblog(LIVEBLOG)
            await client.publish("regate", {"body": "<p>Avant</p>"})
            os.kill(first, signal.SIGKILL)
            await client.publish("regate", {"body": "<p>Pendant</p>"})
            await eventually(lambda: len(_pids(server)) == 3, seconds=START_SECONDS, what="the replacement")
            await client.publish("regate", {"body": "<p>Après</p>"})
            snapshot = await client.snapshot("regate")
        assert [entry["body"] for entry in snapshot["entries"]] == ["<p>Après</p>", "<p>Pendant</p>", "<p>Avant</p>"]
        died = server.log("worker.died")
        assert [(line["pid"], line["exit_code"]) for line in died] == [(first, -signal.SIGKILL)]

        assert await server.end() == 0
        assert not any(_alive(pid) for pid in _pids(server))
        assert len(server.log("worker.died")) == 1
        assert "Traceback" not in server.stderr


async def test_ended_while_a_worker_is_replaced(tmp_path: Path, redis_server: RedisServer) -> None:
    """SIGTERM in the pause before a replacement is started is not forgotten."""
    server = LiveServer(tmp_path, workers="2", redis_url=redis_server.url)
    async with started(server):
        await eventually(lambda: len(_pids(server)) == 2, seconds=START_SECONDS, what="the start of both")
        os.kill(_pids(server)[0], signal.SIGKILL)
        await server.logged("worker.died")
        assert await server.end() == 0
        assert not any(_alive(pid) for pid in _pids(server))


async def test_workers_end_with_their_parent(tmp_path: Path, redis_server: RedisServer) -> None:
    """Killed without a chance to tell them, the first process leaves nobody behind who holds the port."""
    server = LiveServer(tmp_path, workers="2", redis_url=redis_server.url)
    async with started(server):
        await eventually(lambda: len(_pids(server)) == 2, seconds=START_SECONDS, what="the start of both")
        await server.kill()
        for pid in _pids(server):
            await eventually(partial(lambda pid: not _alive(pid), pid), what=f"the end of {pid}")


async def test_ctrl_c_reaches_the_whole_family(tmp_path: Path, redis_server: RedisServer) -> None:
    """A terminal sends SIGINT to every process of the group at once: a clean end all the same."""
    server = LiveServer(tmp_path, workers="2", redis_url=redis_server.url)
    async with started(server):
        await eventually(lambda: len(_pids(server)) == 2, seconds=START_SECONDS, what="the start of both")
        for pid in _pids(server):
            os.kill(pid, signal.SIGINT)
        assert await server.end(signal.SIGINT) == 0
        assert "Traceback" not in server.stderr
        assert server.log("worker.died") == []
