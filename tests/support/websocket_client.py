"""A WebSocket client on a real socket that sends what a test tells it to, right or wrong."""

from __future__ import annotations

import socket
import struct
from itertools import count
from typing import TYPE_CHECKING, Any

from tests.support.websocket_peer import CLOSE, WAIT

if TYPE_CHECKING:
    from tests.support.websocket_server import Served

tokens = count()


class Peer:
    """A client that says what it is told to, right or wrong."""

    def __init__(
        self,
        served: Served,
        path: str,
        *headers: str,
        method: str = "GET",
        version: str = "1.1",
        more: bytes = b"",
        buffers: int = 0,
    ) -> None:
        token = f"n{next(tokens)}"
        self.notes = served.notes[token]
        self.socket = socket.socket()
        self.socket.settimeout(WAIT)
        if buffers:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffers)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffers)
        self.socket.connect(("127.0.0.1", served.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"{method} /{path}?{token} HTTP/{version}", "Host: here"]
        given = {line.partition(":")[0].lower() for line in headers}
        defaults = ["Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13"]
        defaults.append("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
        lines += [line for line in defaults if line.partition(":")[0].lower() not in given]
        lines += headers
        self.file = self.socket.makefile("rb")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + more)
        self.headers: dict[str, str] = {}

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def answered(self, status: int) -> Peer:
        try:
            assert int(self.file.readline().split()[1]) == status
        except BaseException:
            self.__exit__()
            raise
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(": ")
            self.headers[name.lower()] = value
        return self

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def read(self) -> tuple[int, bytes]:
        """The first byte of a frame, and its payload."""
        first, length = self.file.read(2)
        assert not length & 0x80, "a server doesn't mask"
        if length == 126:
            [length] = struct.unpack("!H", self.file.read(2))
        elif length == 127:
            [length] = struct.unpack("!Q", self.file.read(8))
        return first, self.file.read(length)

    def closed(self, code: int | None, *, skip: bool = False) -> str:
        """Expect a close frame and the end; returns the reason."""
        first, data = self.read()
        while skip and first != 0x80 | CLOSE:
            first, data = self.read()
        assert first == 0x80 | CLOSE
        if code is None:
            assert data == b""
        else:
            assert struct.unpack("!H", data[:2]) == (code,)
        return data[2:].decode()

    def ended(self) -> None:
        assert self.file.read() == b""

    def noted(self) -> Any:
        return self.notes.get(timeout=WAIT)

    def disconnected(self) -> int:
        message = self.noted()
        assert message["type"] == "websocket.disconnect"
        return int(message["code"])


def echoing(served: Served, *headers: str) -> Peer:
    return Peer(served, "echo", *headers).answered(101)
