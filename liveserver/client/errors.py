"""Errors of a client: a server that refuses, doesn't answer, or isn't a liveserver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liveserver.domain.errors import LiveserverError

if TYPE_CHECKING:
    from collections.abc import Mapping


DETAIL_MAX = 500
"""Characters of a server's text that an error message has."""


class ClientError(LiveserverError):
    """The error of a request that the server refused, or that didn't reach it.

    `status`: the HTTP status; 0 if there was no answer. `server`: the server's address, if it answered and the message
    doesn't name it; otherwise empty.
    """

    def __init__(self, status: int, message: str, problem: Mapping[str, Any] | None = None, server: str = "") -> None:
        super().__init__(message if len(message) <= DETAIL_MAX else f"{message[:DETAIL_MAX]}…")
        self.server = server
        self.status = status
        self.problem = problem or {}


class Unreachable(ClientError):
    """The error of a request that got no answer, however often it was tried."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class Broken(ClientError):
    """The error of a server that doesn't answer like a liveserver. It is useless to ask again at once."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)
