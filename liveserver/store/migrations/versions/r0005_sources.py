"""The fifth revision: the tables of sources (live blogs on other servers that we follow) and of copied entries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables `sources` and `copies`, and the column `via`, which is NULL for existing entries."""
    op.create_table(
        "sources",
        sa.Column("liveblog_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("id", _name(16), nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("remote_slug", _name(100), nullable=False),
        sa.Column("partner", sa.String(64)),
        sa.Column("name", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("epoch", sa.String(32)),
        sa.Column("seq", sa.BigInteger),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("told", sa.BigInteger),
        sa.Column("heard_at", _moment()),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("holder", sa.String(32)),
        sa.Column("held_until", _moment()),
        sa.PrimaryKeyConstraint("liveblog_id", name="pk_sources"),
        sa.ForeignKeyConstraint(["liveblog_id"], ["liveblogs.id"], name="fk_sources_liveblog_id"),
    )
    op.create_table(
        "copies",
        sa.Column("liveblog_id", sa.Integer, nullable=False),
        sa.Column("remote_id", _name(36), nullable=False),
        sa.Column("entry_id", _name(36), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("gone", sa.Boolean, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("liveblog_id", "remote_id", name="pk_copies"),
        sa.ForeignKeyConstraint(["liveblog_id"], ["liveblogs.id"], name="fk_copies_liveblog_id"),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_copies_entry_id"),
    )
    op.add_column("entries", sa.Column("via", sa.JSON().with_variant(JSONB(), "postgresql")))
