"""The extension of the ASGI scope by which an endpoint hands its connection over to the hub."""

from __future__ import annotations

EXTENSION = "liveserver.viewer"
"""The extension's name in `scope["extensions"]`. Its value is a dictionary with these keys. A server may leave out any
of them but `hand_over`.

| key | kind of scope | value |
|---|---|---|
| `hand_over` | both | a function that makes the connection a viewer; then the endpoint returns, and sends nothing |
| `full` | both | True if the last free connections are kept for requests, so that no stream is to be accepted |
| `gone` | HTTP | a function that returns True if the client has gone |
| `claim` | HTTP | a function by which a request whose body is slow counts for its API key, instead of the address |
| `rest` | HTTP | a function: after the answer, the server reads nothing from the client for some seconds |
| `unread` | HTTP | a function that returns how many bytes wait because an address, or an owner, doesn't read them |
| `owner` | HTTP | the API key that unread bytes count for, instead of the address; the answering code sets it |
| `body` | HTTP | the body that is being sent; the answering code sets it |
"""
