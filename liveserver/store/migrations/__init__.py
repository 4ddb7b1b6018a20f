"""The migrations of the schema. `store/schema.py` lets Alembic run them."""
