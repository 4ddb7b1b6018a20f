"""Scopes of API keys."""

from __future__ import annotations

SCOPES = ("publish", "manage")
"""What an API key may be allowed to. `publish`: entries. `manage`: live blogs."""
