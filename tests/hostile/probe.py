"""A process that asks `/healthz` all the time, and pages that nobody has asked for, and keeps account of how long each
answer took."""

from __future__ import annotations

import signal
import socket
import threading
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from liveserver.cli.bench.measuring.histogram import Histogram

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

INTERVAL = 0.05
PAGE_INTERVAL = 0.25
PATIENCE = 20.0
"""Seconds after which an answer isn't waited for any more."""
SOURCE = "127.0.0.254"
"""Of the one who asks."""
READER = "127.128.0.254"
"""Of the one who asks for pages: limited by address, as some of the attackers are (`setups.EXEMPT`)."""


@dataclass
class Answers:
    """Of one probe."""

    times: Histogram = field(default_factory=Histogram)
    failures: list[str] = field(default_factory=list)
    """The errors that came instead of an answer."""

    def merge(self, other: Answers) -> None:
        """Add the other's."""
        self.times.merge(other.times)
        self.failures += other.failures


def main(port: int, page: str, pipe: Connection) -> None:
    """Be that process until the pipe says, or ends; then tell of `/healthz`, and of pages whose addresses begin so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    over = threading.Event()
    # One that keeps its connection, as a proxy does, and one that makes a new one each time: with several workers
    # they meet all of them.
    probes = [Answers(), Answers()]
    pages = Answers()
    threads = [
        threading.Thread(target=_ask, args=(port, answers, over), kwargs={"keep": keep}, daemon=True)
        for answers, keep in zip(probes, (True, False), strict=True)
    ]
    threads.append(
        threading.Thread(
            target=_ask, args=(port, pages, over), kwargs={"keep": False, "page": page, "source": READER}, daemon=True
        )
    )
    for thread in threads:
        thread.start()
    pipe.send(None)
    pipe.poll(None)
    over.set()
    total = Answers()
    for thread in threads:
        thread.join(PATIENCE + 1)
    for answers in probes:
        total.merge(answers)
    pipe.send((total, pages))


def _ask(
    port: int, answers: Answers, over: threading.Event, *, keep: bool, page: str = "", source: str = SOURCE
) -> None:
    numbers = count()
    ending = "" if keep else "Connection: close\r\n"
    connection: socket.socket | None = None
    while not over.wait(PAGE_INTERVAL if page else INTERVAL):
        path = f"{page}{next(numbers)}" if page else "/healthz"
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{ending}\r\n".encode()
        begun = time.monotonic()
        kept = connection is not None
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", port), PATIENCE, source_address=(source, 0))
            connection.sendall(request)
            status = _status(connection)
        except OSError as error:
            status = type(error).__name__
        if status != "200" or not keep:
            if connection is not None:
                connection.close()
            connection = None
        answers.times.add(time.monotonic() - begun)
        if status != "200" and not (kept and status in {"closed", "ConnectionResetError", "BrokenPipeError"}):
            # A server may close a connection that was kept: then there is a new one to be tried.
            answers.failures.append(status)


def _status(connection: socket.socket) -> str:
    """Of an answer that is read to its end."""
    data = b""
    while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < _length(data):
        more = connection.recv(4096)
        if not more:
            return "closed"
        data += more
    return data.split(b" ", 2)[1].decode()


def _length(data: bytes) -> int:
    head = data.partition(b"\r\n\r\n")[0].lower()
    return int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
