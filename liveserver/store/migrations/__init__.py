"""The migrations of the schema, which `liveserver.store.schema` has Alembic run."""
