"""Viewers on sockets: WebSocket connections (RFC 6455) and event streams. Many sockets are written to at once."""
