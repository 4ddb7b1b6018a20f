"""The database's tables, as the code reads and writes them. The migrations create them; a test compares both."""

from __future__ import annotations

from liveserver.store.tables.columns import DOCUMENT, UTCDateTime, metadata
from liveserver.store.tables.content import (
    entries,
    idempotency,
    liveblogs,
    media,
    moments,
    notes,
    reach,
    revisions,
    takedowns,
)
from liveserver.store.tables.parties import api_keys, copies, partners, reach_links, sources
from liveserver.store.tables.people import acts, identities, join_links, memberships, passkeys, secrets, sessions, users

__all__ = [
    "DOCUMENT",
    "UTCDateTime",
    "acts",
    "api_keys",
    "copies",
    "entries",
    "idempotency",
    "identities",
    "join_links",
    "liveblogs",
    "media",
    "memberships",
    "metadata",
    "moments",
    "notes",
    "partners",
    "passkeys",
    "reach",
    "reach_links",
    "revisions",
    "secrets",
    "sessions",
    "sources",
    "takedowns",
    "users",
]
