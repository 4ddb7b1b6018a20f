"""Errors of benchmarks: `Refused` ends the benchmark, `Broken` ends the connection of one viewer."""

from __future__ import annotations

from liveserver.domain.errors import LiveserverError


class Refused(LiveserverError):
    """The error raised when a benchmark isn't started, or must end early. The error message is one line for the
    operator."""


class Broken(LiveserverError):
    """The error raised when the server refuses a viewer's stream, or sends data that breaks the protocol."""
