"""The errors that a client raises if the server refuses a request, doesn't answer, or isn't a liveserver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liveserver.domain.errors import LiveserverError

if TYPE_CHECKING:
    from collections.abc import Mapping


DETAIL_MAX = 500
"""The greatest number of characters of an error message. A longer message is cut. Messages may contain long texts from
the server."""


class ClientError(LiveserverError):
    """The error of a request that the server refused, or to which there was no usable answer.

    `status`: the HTTP status; 0 if there is none. `problem`: the JSON object of the server's refusal; empty if there is
    none. `server`: the server's address if the server refused the request; otherwise empty. The error message of a
    refusal doesn't contain the address.
    """

    def __init__(self, status: int, message: str, problem: Mapping[str, Any] | None = None, server: str = "") -> None:
        super().__init__(message if len(message) <= DETAIL_MAX else f"{message[:DETAIL_MAX]}…")
        self.server = server
        self.status = status
        self.repeated = False
        """True if the client sent the request several times. The server may have carried out the request the first
        time."""
        self.problem = problem or {}


class Unreachable(ClientError):
    """The error of a request that got no answer, although the client sent it several times."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class Broken(ClientError):
    """The error of a server that breaks the protocol of a liveserver. It is useless to repeat the request
    immediately."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)
