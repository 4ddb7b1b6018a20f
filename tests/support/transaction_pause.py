"""A transaction that is held up in its midst, on either database."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from sqlalchemy.util import await_only

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Pause:
    """Holds up a transaction where it calls `here`: in its thread on SQLite, on the event loop on PostgreSQL."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._over = asyncio.Event()
        self._over_in_thread = threading.Event()
        self._loop = asyncio.get_running_loop()

    def here(self, connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            self._loop.call_soon_threadsafe(self.reached.set)
            self._over_in_thread.wait()
        else:
            self.reached.set()
            await_only(self._over.wait())

    def end(self) -> None:
        self._over.set()
        self._over_in_thread.set()
