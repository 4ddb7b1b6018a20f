"""Errors that end a benchmark, or the connection of one of its viewers."""

from __future__ import annotations

from liveserver.domain.errors import LiveserverError


class Refused(LiveserverError):
    """The error of a benchmark that can't or mustn't be run as requested; its message is one line for the operator."""


class Broken(LiveserverError):
    """The error of a server that sent data against its protocol."""
