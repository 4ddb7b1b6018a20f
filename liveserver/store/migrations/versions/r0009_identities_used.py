"""The ninth revision: the time at which an identity at a provider was last used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the column `used_at`, which is NULL for existing identities: nobody knows when they were used."""
    op.add_column("identities", sa.Column("used_at", sa.DateTime(timezone=True)))
