"""The tables of other parties: partners that embed us, sources that we follow, and clients with API keys."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from liveserver.store.tables.columns import DOCUMENT, UTCDateTime, metadata, name

partners = Table(
    "partners",
    metadata,
    Column("id", name(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("origins", DOCUMENT, nullable=False),
    Column("liveblogs", DOCUMENT, nullable=False),
    Column("tags", DOCUMENT, nullable=False),
    Column("delay", Integer, nullable=False),
    Column("expires_at", UTCDateTime),
    Column("enabled", Boolean, nullable=False),
    Column("theme", DOCUMENT, nullable=False),
    Column("attribution", DOCUMENT),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_partners_created_at", "created_at", "id"),
)

sources = Table(
    "sources",
    metadata,
    Column("liveblog_id", ForeignKey("liveblogs.id"), primary_key=True, autoincrement=False),
    Column("id", name(16), nullable=False),
    Column("server", Text, nullable=False),
    Column("remote_slug", name(100), nullable=False),
    Column("partner", String(64)),
    Column("name", Text),
    Column("url", Text),
    Column("epoch", String(32)),
    Column("seq", BigInteger),
    Column("state", String(16), nullable=False),
    Column("error", Text),
    Column("told", BigInteger),
    Column("heard_at", UTCDateTime),
    Column("created_at", UTCDateTime, nullable=False),
    # The process that follows the source, and the time until which no other process may follow it.
    Column("holder", String(32)),
    Column("held_until", UTCDateTime),
)

# Entries that were taken over from a source, by their ids at the source. These rows stay when the source is removed, as
# the same source may be followed again.
copies = Table(
    "copies",
    metadata,
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    Column("remote_id", name(36), nullable=False),
    Column("entry_id", name(36), ForeignKey("entries.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    # True if the source has deleted the entry. An entry that only our newsroom has deleted isn't gone in this sense,
    # and isn't taken over again.
    Column("gone", Boolean, nullable=False),
    Column("complete", Boolean, nullable=False),
    PrimaryKeyConstraint("liveblog_id", "remote_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", name(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("scopes", DOCUMENT, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime),
    Column("revoked_at", UTCDateTime),
    # The slugs of the live blogs that the key is limited to; None: the key isn't limited.
    Column("liveblogs", DOCUMENT),
)

reach_links = Table(
    "reach_links",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    # The user or API key that made the link (`Principal.ref`).
    Column("principal", String(64), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Index("ix_reach_links_liveblog_id", "liveblog_id", "created_at"),
)
