"""Errors of benchmarks: `Refused` ends the benchmark, `Broken` ends the connection of one viewer."""

from __future__ import annotations

from liveserver.domain.errors import LiveserverError


class Refused(LiveserverError):
    """The error of a benchmark that can't or mustn't be run with the operator's options. The error message is one line
    for the operator."""


class Broken(LiveserverError):
    """The error of a server that refused a viewer's stream, or sent data that breaks the protocol."""
