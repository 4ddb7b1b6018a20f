"""The steps by which the schema came about, run by Alembic from `liveserver.store.schema`."""
