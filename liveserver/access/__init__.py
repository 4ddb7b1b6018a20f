"""Permissions and limits: API keys, signed links, partners, and the number of requests that a client may send."""
