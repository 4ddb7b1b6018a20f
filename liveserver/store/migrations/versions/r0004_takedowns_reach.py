"""The fourth revision: the tables of takedowns (deletions that viewers confirm) and of reach (views by the hour)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _document() -> sa.JSON:
    return sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Create the tables `takedowns` and `reach`. Nothing else changes."""
    op.create_table(
        "takedowns",
        sa.Column("entry_id", _name(36), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("ended_at", _moment()),
        sa.Column("by_partner", _document(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name="pk_takedowns"),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_takedowns_entry_id"),
    )
    op.create_table(
        "reach",
        sa.Column("liveblog_id", sa.Integer, nullable=False),
        sa.Column("partner", _name(64), nullable=False),
        sa.Column("hour", _moment(), nullable=False),
        sa.Column("views", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
        sa.Column("peak", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("liveblog_id", "partner", "hour", name="pk_reach"),
        sa.ForeignKeyConstraint(["liveblog_id"], ["liveblogs.id"], name="fk_reach_liveblog_id"),
    )
