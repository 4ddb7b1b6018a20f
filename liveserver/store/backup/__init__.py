"""Backups: writing the whole content of a database to one file, and restoring it."""
