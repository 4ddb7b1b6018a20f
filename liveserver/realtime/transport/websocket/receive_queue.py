"""The queue of messages from a WebSocket connection to its ASGI application (ASGI's WebSocket specification 2.4)."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

READ_AHEAD = 16
"""The length of a queue at which we stop reading from the peer. We go on when it is shorter than half of this."""


class ReceiveQueue:
    """A queue of messages that wait for the application. Only the application takes messages from it."""

    __slots__ = ("_messages", "_waiting")

    def __init__(self) -> None:
        self._messages: deque[dict[str, Any]] = deque()
        self._waiting: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def put(self, message: dict[str, Any]) -> None:
        """Add a message, and wake the application if it waits for a message."""
        self._messages.append(message)
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def take(self) -> dict[str, Any]:
        """Wait for the next message, remove it, and return it.

        A disconnect, which is the last message, stays in the queue: each further call returns it again.
        """
        while not self._messages:
            if self._waiting is None:
                self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        message = self._messages[0]
        if message["type"] != "websocket.disconnect":
            self._messages.popleft()
        return message
