"""The database's tables, as the code reads and writes them. The migrations create the same tables (a test compares)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:
    from sqlalchemy import Dialect


class UTCDateTime(TypeDecorator[datetime]):
    """The type of a column with moments (aware datetimes).

    PostgreSQL keeps a moment as timestamptz. SQLite keeps it as an ISO text in UTC, always equally long, so that the
    order of texts is the order of moments.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment as the database gets it: in UTC, and for SQLite without a time zone. None stays None.

        Raises ValueError for a datetime without a time zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment from the database as an aware datetime in UTC. None stays None."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def _name(length: int) -> String:
    # PostgreSQL must compare these texts by their bytes, as SQLite does: lists are ordered by id, too, and their order
    # mustn't depend on a locale.
    return String(length).with_variant(String(length, collation="C"), "postgresql")


DOCUMENT = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

liveblogs = Table(
    "liveblogs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slug", _name(100), nullable=False),
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
    Index("ix_liveblogs_slug", "slug", unique=True),
    Index("ix_liveblogs_created_at", "created_at", "slug"),
)

entries = Table(
    "entries",
    metadata,
    Column("id", _name(36), primary_key=True),
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
    Column("entry_id", _name(36), ForeignKey("entries.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(16), nullable=False),
    Column("entry", DOCUMENT, nullable=False),
    PrimaryKeyConstraint("entry_id", "version"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("api_key_id", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("request_hash", String(64), nullable=False),
    Column("entry_id", _name(36), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    PrimaryKeyConstraint("api_key_id", "key"),
    Index("ix_idempotency_created_at", "created_at"),
)

takedowns = Table(
    "takedowns",
    metadata,
    Column("entry_id", _name(36), ForeignKey("entries.id"), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    Column("ended_at", UTCDateTime),
    Column("by_partner", DOCUMENT, nullable=False),
)

reach = Table(
    "reach",
    metadata,
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    Column("partner", _name(64), nullable=False),
    Column("hour", UTCDateTime, nullable=False),
    Column("views", BigInteger, nullable=False),
    Column("seconds", BigInteger, nullable=False),
    Column("peak", BigInteger, nullable=False),
    PrimaryKeyConstraint("liveblog_id", "partner", "hour"),
)

media = Table(
    "media",
    metadata,
    Column("id", _name(36), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("digest", _name(32), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("suffix", String(8), nullable=False),
    Column("size", Integer, nullable=False),
    Column("alt", Text, nullable=False),
    Column("credit", Text),
    Column("actor", Text, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("deleted_at", UTCDateTime),
    Index("ix_media_digest", "digest", unique=True),
    Index("ix_media_created_at", "created_at", "id"),
)

partners = Table(
    "partners",
    metadata,
    Column("id", _name(64), primary_key=True),
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

# The time of each change, and the state before it, for partners' editions with a delay. Old rows are deleted after
# some hours (`store/repositories/change_times.py`).
moments = Table(
    "moments",
    metadata,
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", UTCDateTime, nullable=False),
    # The entry that changed, and its version after the change. None: the live blog's own fields changed.
    Column("entry_id", _name(36)),
    Column("version", Integer),
    # The live blog's own fields before the change; None: an entry changed.
    Column("before", DOCUMENT),
    PrimaryKeyConstraint("liveblog_id", "seq"),
    Index("ix_moments_at", "liveblog_id", "at", "seq"),
)

sources = Table(
    "sources",
    metadata,
    Column("liveblog_id", ForeignKey("liveblogs.id"), primary_key=True, autoincrement=False),
    Column("id", _name(16), nullable=False),
    Column("server", Text, nullable=False),
    Column("remote_slug", _name(100), nullable=False),
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

# Entries that were copied from a source, by their ids at the source. These rows stay when the source is removed, as
# the same source may be followed again.
copies = Table(
    "copies",
    metadata,
    Column("liveblog_id", ForeignKey("liveblogs.id"), nullable=False),
    Column("remote_id", _name(36), nullable=False),
    Column("entry_id", _name(36), ForeignKey("entries.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    # True if the source has deleted the entry. An entry that only our newsroom has deleted isn't gone in this sense,
    # and isn't copied again.
    Column("gone", Boolean, nullable=False),
    Column("complete", Boolean, nullable=False),
    PrimaryKeyConstraint("liveblog_id", "remote_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _name(64), primary_key=True),
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
    Column("key_id", String(64), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=False),
    Index("ix_reach_links_liveblog_id", "liveblog_id", "created_at"),
)
