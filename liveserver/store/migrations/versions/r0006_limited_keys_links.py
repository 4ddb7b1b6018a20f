"""The sixth revision: the limitation of API keys to live blogs, and the table of links to a live blog's reach page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _moment() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the column `liveblogs`, which is NULL for existing API keys, and the table `reach_links`."""
    op.add_column("api_keys", sa.Column("liveblogs", sa.JSON().with_variant(JSONB(), "postgresql")))
    op.create_table(
        "reach_links",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("liveblog_id", sa.Integer, nullable=False),
        sa.Column("key_id", sa.String(64), nullable=False),
        sa.Column("created_at", _moment(), nullable=False),
        sa.Column("expires_at", _moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_reach_links"),
        sa.ForeignKeyConstraint(["liveblog_id"], ["liveblogs.id"], name="fk_reach_links_liveblog_id"),
    )
    op.create_index("ix_reach_links_liveblog_id", "reach_links", ["liveblog_id", "created_at"])
