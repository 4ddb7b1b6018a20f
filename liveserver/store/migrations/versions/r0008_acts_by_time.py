"""The eighth revision: indexes by which every page of the audit log is found without reading other acts."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the indexes of acts by indexes in the order of time, and add those of time alone and of two filters."""
    for name in ("principal_id", "liveblog", "entry_id"):
        op.drop_index(f"ix_acts_{name}", table_name="acts")
        op.create_index(f"ix_acts_{name}", "acts", [name, "at", "id"])
    op.create_index("ix_acts_at", "acts", ["at", "id"])
    op.create_index("ix_acts_liveblog_principal_id", "acts", ["liveblog", "principal_id", "at", "id"])
