"""The extension of the ASGI scope by which an endpoint hands its connection over to the hub."""

from __future__ import annotations

EXTENSION = "liveserver.viewer"
"""The extension's name in `scope["extensions"]`. Its value is a dictionary with these keys. A server may leave out all
but `hand_over`.

| key | kind of scope | value |
|---|---|---|
| `hand_over` | both | a function that makes the connection a viewer; then the endpoint returns, and sends nothing |
| `full` | both | True if the last free connections are kept for requests, so that no stream is to be accepted |
| `gone` | HTTP | a function that returns True if the client has gone |
| `claim` | HTTP | a function: until the body is complete, the connection counts for an API key, not for its address |
| `rest` | HTTP | a function: after the answer, the server parses nothing from the client for some seconds |
| `unread` | HTTP | a function that returns how many bytes an address prefix, or an API key, was sent but hasn't read |
| `owner` | HTTP | the API key for which the answer's unread bytes count; if unset, they count for the address |
| `body` | HTTP | the bytes of the body that is being sent; the code that answers sets it |
"""
