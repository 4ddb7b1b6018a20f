"""The seventh revision: users, sessions, roles, notes, and the audit log; and who made what."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _document() -> sa.JSON:
    return sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Create the tables of people, and the columns that name principals.

    The new columns are NULL for existing rows, except the live blogs' column `work`, which is 0. Idempotency keys and
    links to reach pages still belong to the same API keys: the column that names the API key becomes `principal`.
    """
    _create_users()
    _create_ways_to_sign_in()
    _create_records()
    op.add_column("liveblogs", sa.Column("opened_by", sa.String(64)))
    op.add_column("liveblogs", sa.Column("two_persons", _document()))
    op.add_column("liveblogs", sa.Column("work", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("entries", sa.Column("created_by", sa.String(64)))
    op.add_column("entries", sa.Column("review", _document()))
    op.add_column("entries", sa.Column("withdrawn_at", _moment()))
    op.add_column("revisions", sa.Column("principal", sa.String(64)))
    op.add_column("media", sa.Column("created_by", sa.String(64)))
    for table, old, new in (
        ("idempotency", "api_key_id", "principal"),
        ("idempotency", "entry_id", "target_id"),
        ("reach_links", "key_id", "principal"),
    ):
        op.execute(sa.text(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}"))
    for name in ("idempotency", "reach_links"):
        principal = sa.column("principal", sa.String)
        op.execute(sa.update(sa.table(name, principal)).values(principal=sa.literal("key:") + principal))


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", _name(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("login", _name(255), nullable=False),
        sa.Column("role", sa.String(16)),
        sa.Column("password", sa.Text),
        sa.Column("joined_at", _moment()),
        sa.Column("disabled_at", _moment()),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index("ix_users_login", "users", ["login"], unique=True)
    op.create_index("ix_users_created_at", "users", ["created_at", "id"])
    op.create_table(
        "memberships",
        sa.Column("user_id", _name(64), nullable=False),
        sa.Column("liveblog_id", sa.Integer, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "liveblog_id", name="pk_memberships"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_memberships_user_id"),
        sa.ForeignKeyConstraint(["liveblog_id"], ["liveblogs.id"], name="fk_memberships_liveblog_id"),
    )
    op.create_index("ix_memberships_liveblog_id", "memberships", ["liveblog_id"])


def _create_ways_to_sign_in() -> None:
    op.create_table(
        "passkeys",
        sa.Column("id", _name(1400), nullable=False),
        sa.Column("user_id", _name(64), nullable=False),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("used_at", _moment()),
        sa.PrimaryKeyConstraint("id", name="pk_passkeys"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_passkeys_user_id"),
    )
    op.create_index("ix_passkeys_user_id", "passkeys", ["user_id"])
    op.create_table(
        "identities",
        sa.Column("issuer", _name(255), nullable=False),
        sa.Column("subject", _name(255), nullable=False),
        sa.Column("user_id", _name(64), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identities"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identities_user_id"),
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("id", _name(16), nullable=False),
        sa.Column("user_id", _name(64), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("seen_at", _moment(), nullable=False),
        sa.Column("confirmed_at", _moment(), nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("agent", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id"),
    )
    op.create_index("ix_sessions_id", "sessions", ["id"], unique=True)
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "join_links",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("user_id", _name(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("expires_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_join_links"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_join_links_user_id"),
    )
    op.create_index("ix_join_links_user_id", "join_links", ["user_id"])
    op.create_table(
        "secrets",
        sa.Column("name", _name(32), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )


def _create_records() -> None:
    op.create_table(
        "notes",
        sa.Column("id", _name(36), nullable=False),
        sa.Column("entry_id", _name(36), nullable=False),
        sa.Column("principal", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notes"),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_notes_entry_id"),
    )
    op.create_index("ix_notes_entry_id", "notes", ["entry_id", "id"])
    op.create_table(
        "acts",
        sa.Column("id", _name(36), nullable=False),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("principal_id", _name(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("liveblog", _name(100)),
        sa.Column("entry_id", _name(36)),
        sa.Column("version", sa.Integer),
        sa.Column("details", _document()),
        sa.PrimaryKeyConstraint("id", name="pk_acts"),
    )
    op.create_index("ix_acts_principal_id", "acts", ["principal_id", "id"])
    op.create_index("ix_acts_liveblog", "acts", ["liveblog", "id"])
    op.create_index("ix_acts_entry_id", "acts", ["entry_id", "id"])
