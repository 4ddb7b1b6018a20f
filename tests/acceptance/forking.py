"""Processes of liveserver's that are forked from one that has imported all modules: most of what a start costs is that.

From there on they do the same as `python -m liveserver`, with the same arguments, environment and descriptors;
they run `cli.app.main`, and are processes like others to the sender of a signal. Whether one can be started as
users start it is asked elsewhere.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import gc
import importlib
import importlib.util
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import orjson

from tests.acceptance.surroundings import ROOT, environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

USED = ("cli.app", "cli.backup_files", "cli.bench.command", "client", "access.api_keys", "server.serve", "store")
"""The modules that commands import when they run, and what they run in."""
ORDER_MAX = 256 * 1024
"""Bytes; an order has an environment in it."""
NEWS = struct.Struct("<i")
"""The news of a process: its id, and its status once it has ended."""


class Forked:
    """A process, as `asyncio.subprocess.Process` shows one."""

    def __init__(self, pid: int, news: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._news = news
        self._ended = asyncio.create_task(self._told())

    def send_signal(self, number: int) -> None:
        """Send it a signal. Raises ProcessLookupError if it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL it."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Its status, once it has ended."""
        return await asyncio.shield(self._ended)

    async def _told(self) -> int:
        with self._news:
            self.returncode = _of(await asyncio.get_running_loop().sock_recv(self._news, NEWS.size))
        return self.returncode


def fork(arguments: Sequence[str], directory: Path, variables: dict[str, str], *files: IO[bytes]) -> Forked:
    """Start `liveserver …`, with the files as its standard input, output and error."""
    ours, theirs = socket.socketpair()
    order = {"arguments": arguments, "directory": str(directory), "environment": variables}
    message = [orjson.dumps(order) + b"\n"]
    try:
        with theirs:
            socket.send_fds(_source(), message, [*(file.fileno() for file in files), theirs.fileno()])
        # It is there in a millisecond or two, but for the first time.
        pid = _of(ours.recv(NEWS.size))
        ours.setblocking(False)
        return Forked(pid, ours)
    except BaseException:
        ours.close()
        raise


def _of(news: bytes) -> int:
    number: int = NEWS.unpack(news)[0]
    return number


@functools.cache
def _source() -> socket.socket:
    """The end of a connection that takes the orders, for as long as this process lives."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.forking"], stdin=theirs.fileno(), cwd=ROOT, env=environment()
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def main() -> None:
    """Take orders from standard input, a socket, until that is closed."""
    for name in USED:
        importlib.import_module(f"liveserver.{name}")
    # Else each of the children goes through all that, and copies it by doing so.
    gc.collect()
    gc.freeze()
    # Ctrl+C is for the processes that run the tests, and for the children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders = socket.socket(fileno=os.dup(0))
    while True:
        order, descriptors = _next(orders)
        if not order:
            return
        # Those that have ended are let go, and their processor time is counted.
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if os.fork() == 0:
            orders.close()
            _look_after(orjson.loads(order), descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _next(orders: socket.socket) -> tuple[bytes, list[int]]:
    order, descriptors, _, _ = socket.recv_fds(orders, ORDER_MAX, 4)
    while order and not order.endswith(b"\n"):
        order += orders.recv(ORDER_MAX)
    return order, descriptors


def _look_after(order: dict[str, Any], descriptors: list[int]) -> None:
    """Be the parent of the process, until it ends; or be the process."""
    *given, news = descriptors
    child = os.fork()
    if child == 0:
        os.close(news)
        _become(order, given)
        # Its exceptions, `SystemExit` above all, are left to the interpreter, as they are in a command.
        importlib.import_module("liveserver.cli.app").main()
        return
    for descriptor in given:
        os.close(descriptor)
    os.write(news, NEWS.pack(child))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    # The process that asked may be gone.
    with suppress(OSError):
        os.write(news, NEWS.pack(status))
    os._exit(0)


def _become(order: dict[str, Any], descriptors: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["liveserver", *order["arguments"]]
    # Processes that it starts take from this what they shall import.
    sys.modules["__main__"].__spec__ = importlib.util.find_spec("liveserver.__main__")
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)


if __name__ == "__main__":
    main()
