"""The extension of the ASGI scope by which an endpoint hands its connection over to the hub."""

from __future__ import annotations

EXTENSION = "liveserver.viewer"
"""The extension's name in `scope["extensions"]`. Its value is a dictionary, in which only `hand_over` is there on
every connection:

| key | kind of scope | meaning |
|---|---|---|
| `hand_over` | both | makes the connection a viewer; the endpoint returns without sending anything |
| `full` | both | whether the remaining connections are kept for requests, so that no stream is accepted |
| `gone` | HTTP | whether the client has gone |
| `rest` | HTTP | has nothing read from the client for some seconds after the answer |
| `unread` | HTTP | bytes that an address, or an owner, was sent and hasn't read |
| `owner` | HTTP | the API key for which unread bytes count, instead of the address; set by the code that answers |
| `body` | HTTP | the body that is being sent; set by the code that answers |
"""
