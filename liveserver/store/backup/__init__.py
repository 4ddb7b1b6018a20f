"""Backups: everything that a database holds, as one file, and back."""
