"""The store: the database, and the queries on it. The same code works on SQLite and on PostgreSQL."""

from __future__ import annotations

from liveserver.store.repositories.entries import Written
from liveserver.store.repositories.entry_queries import Order
from liveserver.store.repositories.idempotency import Idempotency
from liveserver.store.repositories.people.api_keys import ApiKey
from liveserver.store.repositories.reach import ReachLink
from liveserver.store.repositories.sources import Hold, Incoming, NotHeld
from liveserver.store.schema import migrate
from liveserver.store.store import Store

__all__ = [
    "ApiKey",
    "Hold",
    "Idempotency",
    "Incoming",
    "NotHeld",
    "Order",
    "ReachLink",
    "Store",
    "Written",
    "migrate",
]
