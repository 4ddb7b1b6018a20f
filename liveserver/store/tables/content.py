"""The tables of live blogs, entries, pictures, and readers' figures."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from liveserver.store.tables.columns import DOCUMENT, UTCDateTime, metadata, name

liveblogs = Table(
    "liveblogs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", name(100), nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("language", String(35), nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("changed_seq", BigInteger, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    # None: anyone may show the live blog.
    Column("embedding", DOCUMENT),
    # The user or API key that opened the live blog (`Principal.ref`); None if that was before there were users.
    Column("opened_by", String(64)),
    # The kinds of acts that need two persons; None: none does.
    Column("two_persons", DOCUMENT),
    # Counts the writes of entries and notes, also those that readers don't see. The board's entity tag has it.
    Column("work", BigInteger, nullable=False, server_default="0"),
    Index("ix_liveblogs_slug", "slug", unique=True),
    Index("ix_liveblogs_created_at", "created_at", "slug"),
)

entries = Table(
    "entries",
    metadata,
    Column("id", name(36), primary_key=True),
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    Column("seq", BigInteger),
    Column("version", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("heading", Text),
    Column("body", Text, nullable=False),
    Column("authors", DOCUMENT, nullable=False),
    Column("key_event", Boolean, nullable=False),
    Column("breaking", Boolean, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("tags", DOCUMENT, nullable=False),
    Column("verification", String(16)),
    Column("source", Text),
    Column("corrections", DOCUMENT, nullable=False),
    Column("publish_at", UTCDateTime),
    Column("published_at", UTCDateTime),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    # The time of publication; without one, the due time; without that, the time of creation. Lists are ordered by it.
    Column("sort_at", UTCDateTime, nullable=False),
    # The source from which the entry was copied; None: the newsroom wrote the entry.
    Column("via", DOCUMENT),
    # The user, API key or part of the server that created the entry (`Principal.ref`); None if that was before there
    # were users.
    Column("created_by", String(64)),
    # What was handed in for review, returned, or proposed; None: nothing was.
    Column("review", DOCUMENT),
    # The time since which readers don't see the entry any more; None: they see it, or never saw it.
    Column("withdrawn_at", UTCDateTime),
    CheckConstraint("status <> 'published' OR (seq IS NOT NULL AND published_at IS NOT NULL)", name="published"),
    # Unique, so that two entries can't have the same seq, even if the code has a defect.
    Index("ix_entries_seq", "liveblog_id", "seq", unique=True),
    Index("ix_entries_list", "liveblog_id", "status", "sort_at", "id"),
)
Index(
    "ix_liveblogs_embedding",
    liveblogs.c.slug,
    sqlite_where=liveblogs.c.embedding.is_not(None),
    postgresql_where=liveblogs.c.embedding.is_not(None),
)
# SQLite uses a partial index only for a query that has exactly the index's condition.
Index(
    "ix_entries_key_events",
    entries.c.liveblog_id,
    entries.c.status,
    entries.c.sort_at,
    entries.c.id,
    sqlite_where=text("key_event = 1"),
    postgresql_where=entries.c.key_event,
)
Index(
    "ix_entries_pinned",
    entries.c.liveblog_id,
    entries.c.status,
    entries.c.sort_at,
    entries.c.id,
    sqlite_where=text("pinned = 1"),
    postgresql_where=entries.c.pinned,
)
Index(
    "ix_entries_due",
    entries.c.publish_at,
    sqlite_where=entries.c.status == "scheduled",
    postgresql_where=entries.c.status == "scheduled",
)

revisions = Table(
    "revisions",
    metadata,
    Column("entry_id", name(36), ForeignKey("entries.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    # The user, API key or part of the server (`Principal.ref`); None if that was before there were users.
    Column("principal", String(64)),
    Column("action", String(16), nullable=False),
    Column("entry", DOCUMENT, nullable=False),
    PrimaryKeyConstraint("entry_id", "version"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("principal", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("request_hash", String(64), nullable=False),
    # The entry or picture that the request made or changed.
    Column("target_id", name(36), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    PrimaryKeyConstraint("principal", "key"),
    Index("ix_idempotency_created_at", "created_at"),
)

# What the newsroom says about an entry among itself. Readers never see it.
notes = Table(
    "notes",
    metadata,
    Column("id", name(36), primary_key=True),
    Column("entry_id", name(36), ForeignKey("entries.id"), nullable=False),
    Column("principal", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("text", Text, nullable=False),
    Index("ix_notes_entry_id", "entry_id", "id"),
)

takedowns = Table(
    "takedowns",
    metadata,
    Column("entry_id", name(36), ForeignKey("entries.id"), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("ended_at", UTCDateTime),
    Column("by_partner", DOCUMENT, nullable=False),
)

reach = Table(
    "reach",
    metadata,
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    Column("partner", name(64), nullable=False),
    Column("hour", UTCDateTime, nullable=False),
    Column("views", BigInteger, nullable=False),
    Column("seconds", BigInteger, nullable=False),
    Column("peak", BigInteger, nullable=False),
    PrimaryKeyConstraint("liveblog_id", "partner", "hour"),
)

media = Table(
    "media",
    metadata,
    Column("id", name(36), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", name(32), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("suffix", String(8), nullable=False),
    Column("size", Integer, nullable=False),
    Column("alt", Text, nullable=False),
    Column("credit", Text),
    Column("actor", Text, nullable=False),
    # The user, API key or source that sent the picture (`Principal.ref`); None if that was before there were users.
    Column("created_by", String(64)),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("deleted_at", UTCDateTime),
    Index("ix_media_digest", "digest", unique=True),
    Index("ix_media_created_at", "created_at", "id"),
)

# The time of each change, and the state before it, for partners' editions with a delay. Old rows are deleted after
# some hours (`store/repositories/change_times.py`).
moments = Table(
    "moments",
    metadata,
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    # The entry that changed, and the version that the change made of it. None: the live blog's own fields changed.
    Column("entry_id", name(36)),
    Column("version", Integer),
    # The live blog's own fields before the change; None: an entry changed.
    Column("before", DOCUMENT),
    PrimaryKeyConstraint("liveblog_id", "seq"),
    Index("ix_moments_at", "liveblog_id", "at", "seq"),
)
