"""Viewers on sockets: WebSocket connections (RFC 6455), event streams, and writing to many sockets at once."""
