"""Principals: users, API keys and parts of the server, as the authors of requests and acts."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class PrincipalKind(StrEnum):
    """The kind of a principal."""

    USER = "user"
    """A person, signed in at the desk."""
    KEY = "key"
    """A program with an API key."""
    SERVER = "server"
    """A part of the server itself, such as the scheduler, or a command that the operator runs on the machine."""


class Principal(NamedTuple):
    """A user, an API key or a part of the server, as the sender of a request or the author of an act."""

    kind: PrincipalKind
    id: str
    """The id of the user, API key or source; for another part of the server a word, such as `schedule`."""
    name: str
    """The name that the audit log shows."""
    session: str | None = None
    """For a user: the SHA-256, in hexadecimal, of the token of the user's session. None for API keys and the server."""

    @property
    def ref(self) -> str:
        """The kind and the id in one text, such as `key:k3f9x2ab4c1d`. No two principals have the same text."""
        return f"{self.kind}:{self.id}"


SCHEDULE = Principal(PrincipalKind.SERVER, "schedule", "schedule")
"""The scheduler, which publishes entries at their times."""
COMMAND = Principal(PrincipalKind.SERVER, "command", "command line")
"""The author of changes that are made by a command on the server's machine, whoever runs it."""
