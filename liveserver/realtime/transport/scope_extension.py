"""The extension of the ASGI scope by which an endpoint hands its connection over to the hub."""

from __future__ import annotations

EXTENSION = "liveserver.viewer"
"""The extension's name in `scope["extensions"]`. The value there is a dictionary with these keys. Only `hand_over` must
be in it.

| key | kind of scope | value |
|---|---|---|
| `hand_over` | both | a function that makes the connection a viewer; then the endpoint returns, and sends nothing |
| `full` | both | True if the last free connections are reserved for requests, so that no stream is to be accepted |
| `gone` | HTTP | a function that returns True if the client has gone |
| `claim` | HTTP | a function that counts the connection for an API key, not for its address, until the body has come |
| `rest` | HTTP | a function after which the server parses nothing from the client for some seconds after the answer |
| `unread` | HTTP | a function that takes an address prefix or an API key, and returns the number of its unread bytes |
| `owner` | HTTP | the API key for which unread bytes of the answer count; if unset, they count for the address |
| `body` | HTTP | the bytes of the body that is being sent; the code that sends the answer sets it |
"""
