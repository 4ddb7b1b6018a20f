"""A transaction that takes long, and can be stopped on its way."""

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
    """The error that rolls back a transaction whose caller was cancelled."""


class LongTransaction:
    """A long transaction, which may run in a thread, where it can't be cancelled from outside."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._stopped = threading.Event()

    def step(self) -> None:
        """Raise Stopped if the caller of `run` was cancelled. Call this now and then."""
        if self._stopped.is_set():
            raise Stopped

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Begin, call `work`, and commit; roll back if it raises or is stopped. Close the connections afterwards."""
        try:
            with outages():
                return await self._connections.run(work)
        except asyncio.CancelledError:
            self._stopped.set()
            raise
        finally:
            await self._connections.close()
