"""The confirmations that a follower sends. A confirmation tells the server that the follower has removed a deleted
entry."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed

from liveserver.protocol.messages import gone_answer
from liveserver.utils.background import BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from liveserver.client.tracker import Message


WITHIN_MAX = 60.0
"""The greatest number of seconds between a deletion and its confirmation, even if the server allows more seconds. A
liveserver allows at most 20 seconds."""


class DeletionReporter:
    """The reporter of one follower: it knows which entries the follower has, and confirms deletions to the server.

    `known`: the ids of the entries that the follower has at the beginning.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._has = set(known)
        self._answers = BackgroundTasks()

    def saw(self, change: Message, send: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        """Note that the follower has applied a message. If the message is a deletion that the server wants confirmed,
        send the confirmation later. It is sent at a random moment within the time that the server names.

        `send`: sends a text on the connection.
        """
        match change["type"]:
            case "entry":
                self._has.add(change["entry"]["id"])
            case "reset":
                self._has = {entry["id"] for entry in (*change["entries"], *change["pinned"])}
            case "delete" | "gone":
                had = change["id"] in self._has
                self._has.discard(change["id"])
                if "confirm" in change:
                    answer = gone_answer(change["id"], had=had).decode()
                    within = min(change["confirm"]["within"] / 1000, WITHIN_MAX)
                    self._answers.spawn(_later(within, send, answer))

    def stop(self) -> None:
        """Drop the confirmations that weren't sent yet, as the connection is lost."""
        self._answers.cancel()


async def _later(within: float, send: Callable[[str], Coroutine[Any, Any, None]], answer: str) -> None:
    await asyncio.sleep(random.uniform(0, within))
    with suppress(ConnectionClosed):
        await send(answer)
