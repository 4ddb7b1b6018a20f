"""Permissions and limits: users, API keys, signed links, partners, and how much a client may send."""
