"""A viewer that gets its messages by ASGI's `send`, so that it works on any ASGI server.

Its messages wait in a queue of limited size. One task takes them from the queue and sends them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from liveserver.realtime.viewer import Viewer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from liveserver.protocol.frames import Frame

QUEUE_BYTES = 512 * 1024
"""The size in bytes at which a viewer's queue of messages is full. No message is added to a full queue."""


class QueueViewer(Viewer):
    """A viewer with a queue of messages, of limited size. The task that calls `run` sends the messages."""

    def __init__(self, on_drained: Callable[[QueueViewer], None], reply_id: str = "") -> None:
        super().__init__(reply_id)
        self._on_drained = on_drained
        self._queue: deque[Frame] = deque()
        self._bytes = 0
        self._lagging = False
        self._close_code: int | None = None
        self._filled = asyncio.Event()
        self._running: asyncio.Task[object] | None = None

    def write(self, frame: Frame) -> bool:
        """Put a frame into the queue. Returns False if the queue is full, or if the viewer lags already.

        The queue is full if its frames together have QUEUE_BYTES or more. The new frame's own size doesn't count, so
        even a very large frame is added. A viewer lags from its first refused frame until its queue is empty. If the
        viewer is closed, the frame is thrown away, and the result is True.
        """
        if self._close_code is not None:
            return True
        if self._lagging or self._bytes >= QUEUE_BYTES:
            self._lagging = True
            return False
        self._queue.append(frame)
        self._bytes += len(frame.message)
        self._filled.set()
        return True

    def close(self, code: int) -> None:
        """End the connection once the queued messages are sent. If the viewer lags, end the connection at once."""
        if self._close_code is None:
            self._close_code = code
            self._filled.set()
            if self._lagging and self._running is not None:
                # `send` may never return. A viewer that doesn't read must not keep its queue in memory.
                self._running.cancel()

    async def run(self, send: Callable[[Frame], Awaitable[None]]) -> int:
        """Send the messages of the queue, by `send`, until `close` is called. Returns the close code."""
        self._running = asyncio.current_task()
        try:
            return await self._run(send)
        except asyncio.CancelledError:
            if self._close_code is None or not self._lagging:
                raise
            return self._close_code
        finally:
            self._running = None

    async def _run(self, send: Callable[[Frame], Awaitable[None]]) -> int:
        while True:
            while self._queue:
                frame = self._queue.popleft()
                await send(frame)
                self._bytes -= len(frame.message)
            if self._close_code is not None:
                return self._close_code
            if self._lagging:
                self._lagging = False
                self._on_drained(self)
                continue
            self._filled.clear()
            await self._filled.wait()
