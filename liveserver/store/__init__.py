"""The database behind liveserver: SQLite or PostgreSQL, one code for both."""

from __future__ import annotations

from liveserver.store.backups import backup, restore
from liveserver.store.entries import Idempotency, Written
from liveserver.store.keys import ApiKey
from liveserver.store.links import ReachLink
from liveserver.store.reading import Around, Order
from liveserver.store.schema import migrate
from liveserver.store.sources import Hold, Incoming, NotHeld
from liveserver.store.store import Store

__all__ = [
    "ApiKey",
    "Around",
    "Hold",
    "Idempotency",
    "Incoming",
    "NotHeld",
    "Order",
    "ReachLink",
    "Store",
    "Written",
    "backup",
    "migrate",
    "restore",
]
