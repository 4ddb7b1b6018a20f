"""The scopes of API keys."""

from __future__ import annotations

SCOPES = ("publish", "manage")
"""The scopes that an API key may have: `publish` for entries and pictures, `manage` for live blogs and partners."""
