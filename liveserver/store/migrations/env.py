"""Alembic's environment. It runs the migrations in the transaction that `store/schema.py` has begun."""

from __future__ import annotations

from alembic import context

from liveserver.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
