"""Errors of a client: the server's refusals, its silence, and answers that are no liveserver's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liveserver.domain.errors import LiveserverError

if TYPE_CHECKING:
    from collections.abc import Mapping


DETAIL_MAX = 500
"""Characters of a server's words in an error."""


class ClientError(LiveserverError):
    """The server refused, or can't be reached. `status` is the HTTP status, 0 without an answer.

    `server`: its address, if it answered and the message doesn't name it; empty otherwise.
    """

    def __init__(self, status: int, message: str, problem: Mapping[str, Any] | None = None, server: str = "") -> None:
        super().__init__(message if len(message) <= DETAIL_MAX else f"{message[:DETAIL_MAX]}…")
        self.server = server
        self.status = status
        self.problem = problem or {}


class Unreachable(ClientError):
    """Nobody answered, as often as it was tried."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class Broken(ClientError):
    """The server doesn't answer as a liveserver does, and won't if it is asked again at once."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)
