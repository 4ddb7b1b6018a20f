"""The third revision: the tables of partners and of the times of changes, and the embed policies of live blogs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")


def _name(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables `partners` and `moments`, and the column `embedding`, which is NULL for existing live blogs."""
    op.create_table(
        "partners",
        sa.Column("id", _name(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("origins", _DOCUMENT, nullable=False),
        sa.Column("liveblogs", _DOCUMENT, nullable=False),
        sa.Column("tags", _DOCUMENT, nullable=False),
        sa.Column("delay", sa.Integer, nullable=False),
        sa.Column("expires_at", _moment()),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("theme", _DOCUMENT, nullable=False),
        sa.Column("attribution", _DOCUMENT),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("updated_at", _moment(), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_partners"),
    )
    op.create_index("ix_partners_created_at", "partners", ["created_at", "id"])
    op.create_table(
        "moments",
        sa.Column("liveblog_id", sa.Integer, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", _moment(), nullable=False),
        sa.Column("entry_id", _name(36)),
        sa.Column("version", sa.Integer),
        sa.Column("before", _DOCUMENT),
        sa.PrimaryKeyConstraint("liveblog_id", "seq", name="pk_moments"),
        sa.ForeignKeyConstraint(["liveblog_id"], ["liveblogs.id"], name="fk_moments_liveblog_id_liveblogs"),
    )
    op.create_index("ix_moments_at", "moments", ["liveblog_id", "at", "seq"])
    op.add_column("liveblogs", sa.Column("embedding", _DOCUMENT))
    op.create_index(
        "ix_liveblogs_embedding",
        "liveblogs",
        ["slug"],
        sqlite_where=sa.text("embedding IS NOT NULL"),
        postgresql_where=sa.text("embedding IS NOT NULL"),
    )
