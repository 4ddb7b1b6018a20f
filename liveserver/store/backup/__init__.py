"""Backups. A backup is one file with the whole content of a database, which can be restored to any database."""
