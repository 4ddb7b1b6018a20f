"""What ends a benchmark before it has a result."""

from __future__ import annotations

from liveserver.domain.errors import LiveserverError


class Refused(LiveserverError):
    """It can't or mustn't be done as asked; the message is one line for the operator."""


class Broken(LiveserverError):
    """The server sent what its protocol forbids."""
