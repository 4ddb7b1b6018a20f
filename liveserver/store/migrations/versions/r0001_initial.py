"""The first revision: tables of live blogs, entries, entries' revisions, idempotency keys and API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the first tables, in an empty database."""
    document = sa.JSON().with_variant(JSONB(), "postgresql")
    op.create_table(
        "liveblogs",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("slug", _name(100), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("epoch", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("changed_seq", sa.BigInteger, nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_liveblogs"),
    )
    op.create_index("ix_liveblogs_slug", "liveblogs", ["slug"], unique=True)
    op.create_index("ix_liveblogs_created_at", "liveblogs", ["created_at", "slug"])

    op.create_table(
        "entries",
        sa.Column("id", _name(36), nullable=False),
        sa.Column("liveblog_id", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("heading", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("authors", document, nullable=False),
        sa.Column("key_event", sa.Boolean, nullable=False),
        sa.Column("breaking", sa.Boolean, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("tags", document, nullable=False),
        sa.Column("verification", sa.String(16)),
        sa.Column("source", sa.Text),
        sa.Column("corrections", document, nullable=False),
        sa.Column("publish_at", _moment()),
        sa.Column("published_at", _moment()),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.Column("sort_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sa.ForeignKeyConstraint(["liveblog_id"], ["liveblogs.id"], name="fk_entries_liveblog_id"),
        sa.CheckConstraint(
            "status <> 'published' OR (seq IS NOT NULL AND published_at IS NOT NULL)", name="ck_entries_published"
        ),
    )
    op.create_index("ix_entries_seq", "entries", ["liveblog_id", "seq"], unique=True)
    op.create_index("ix_entries_list", "entries", ["liveblog_id", "status", "sort_at", "id"])
    for index, flag in (("ix_entries_key_events", "key_event"), ("ix_entries_pinned", "pinned")):
        op.create_index(
            index,
            "entries",
            ["liveblog_id", "status", "sort_at", "id"],
            sqlite_where=sa.text(f"{flag} = 1"),
            postgresql_where=sa.text(flag),
        )
    scheduled = sa.column("status", sa.String) == "scheduled"
    op.create_index("ix_entries_due", "entries", ["publish_at"], sqlite_where=scheduled, postgresql_where=scheduled)

    op.create_table(
        "revisions",
        sa.Column("entry_id", _name(36), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("entry", document, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "version", name="pk_revisions"),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_revisions_entry_id"),
    )

    op.create_table(
        "idempotency",
        sa.Column("api_key_id", sa.String(64), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("entry_id", _name(36), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("api_key_id", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])

    op.create_table(
        "api_keys",
        sa.Column("id", _name(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.String(64), nullable=False),
        sa.Column("scopes", document, nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("expires_at", _moment()),
        sa.Column("revoked_at", _moment()),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
