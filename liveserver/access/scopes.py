"""Scopes of API keys."""

from __future__ import annotations

SCOPES = ("publish", "manage")
"""The rights that an API key may have. `publish`: entries. `manage`: live blogs."""
