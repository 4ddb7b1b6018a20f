"""The ASGI scope's extension by which an endpoint knows its connection, and hands it over to become a viewer."""

from __future__ import annotations

EXTENSION = "liveserver.viewer"
"""The extension's name in `scope["extensions"]`. It is a dictionary, of which only `hand_over` is there on every
connection:

| key | of | meaning |
|---|---|---|
| `hand_over` | both | makes the connection a viewer; the endpoint returns without sending anything |
| `full` | both | whether the connections that are left are kept for requests |
| `gone` | HTTP | whether the client has gone |
| `unread` | HTTP | bytes that an address was sent and hasn't read |
| `body` | HTTP | set by who answers: the body that is being sent |
"""
