"""Lists for sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from liveserver.realtime import channel, viewer
from liveserver.realtime.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from liveserver.protocol.frames import Frame

Message = dict[str, Any]

PATIENCE = 10.0
"""Seconds after which a test that awaits something has failed."""


class ListSink(Viewer):
    """A viewer that keeps what it is sent. `room` is how many frames it can still take (None: any number)."""

    def __init__(self, room: int | None = None) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self.room = room
        self.closed: int | None = None
        self._written = asyncio.Event()

    def write(self, frame: Frame) -> bool:
        """Take a frame, if there is room."""
        if self.room == 0:
            return False
        if self.room is not None:
            self.room -= 1
        self.frames.append(frame)
        self._written.set()
        return True

    def close(self, code: int) -> None:
        """Note how the hub ended it."""
        self.closed = code
        self._written.set()

    @property
    def messages(self) -> list[Message]:
        """All that came."""
        return [orjson.loads(frame.message) for frame in self.frames]

    @property
    def told(self) -> list[str]:
        """All that came, in short: `hello 3`, `entry 4 a`, `delete 5 a`, `reset 2` …"""
        return [_short(message) for message in self.messages]

    def take(self) -> list[str]:
        """The messages since the last call, in short."""
        told = self.told
        self.frames.clear()
        return told

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a write or a closing after which `reached()` holds."""
        async with asyncio.timeout(PATIENCE):
            while not reached():
                self._written.clear()
                await self._written.wait()

    async def until_told(self, last: str) -> None:
        """Wait for a message, in short."""
        await self.until(lambda: bool(self.frames) and last in self.told)


def _short(message: Message) -> str:
    words = [message["type"], str(message.get("seq", message.get("after_ms")))]
    if message["type"] == "hello" and not message["resumed"]:
        words.append("fresh")
    if "entry" in message:
        words.append(message["entry"]["id"])
    if "id" in message:
        words.append(message["id"])
    return " ".join(words)


def set_batch_size(monkeypatch: pytest.MonkeyPatch, viewers: int) -> None:
    """How many viewers are written to in one turn."""
    monkeypatch.setattr(channel, "BATCH_SIZE", viewers)
    monkeypatch.setattr(viewer, "BATCH_SIZE", viewers)


async def settle() -> None:
    """Let everything run that can run without time going by."""
    for _ in range(100):
        await asyncio.sleep(0)
