"""A long transaction, which its caller can stop before it ends."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, TypeVar

from liveserver.store.outages import outages

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from liveserver.store.connections import Connections


T = TypeVar("T")


class Stopped(Exception):
    """The error that makes a transaction roll back because the transaction's caller was cancelled."""


class LongTransaction:
    """A long transaction that rolls back soon after the caller of `run` was cancelled.

    On SQLite, the transaction runs in a thread, and a thread can't be cancelled. So the function that runs in the
    transaction calls `step` often. After a cancellation, `step` raises an error.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._stopped = threading.Event()

    def step(self) -> None:
        """Raise Stopped if the caller of `run` was cancelled. The function that `run` calls must call `step` often."""
        if self._stopped.is_set():
            raise Stopped

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Begin a transaction, call `work`, and commit. Returns the result of `work`.

        Rolls back if `work` raises. If this coroutine is cancelled, the next call of `step` raises Stopped. Raises
        StoreUnavailable if the database doesn't answer. At the end, in every case, closes the connections that were
        passed to the constructor.
        """
        try:
            with outages():
                return await self._connections.run(work)
        except asyncio.CancelledError:
            self._stopped.set()
            raise
        finally:
            await self._connections.close()
