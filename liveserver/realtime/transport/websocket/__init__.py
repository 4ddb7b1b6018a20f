"""WebSocket connections (RFC 6455) and the ASGI applications that they serve."""
