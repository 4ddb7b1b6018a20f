"""The audit log: changes of keys and partners, each told to the log together with who did it and by what way."""

from __future__ import annotations

from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOBODY: Mapping[str, object] = MappingProxyType({})
_by: ContextVar[Mapping[str, object]] = ContextVar("by", default=_NOBODY)


def by(**who: object) -> None:
    """From now on this task acts for somebody: an API key's id, an address, a route; or a command."""
    _by.set(who)


def done(event: str, **what: object) -> None:
    """Tell of a change that is written. Each is told: to make them takes a good key, or the machine."""
    # Not bound at import: commands say where logs go once they know their settings.
    structlog.get_logger(__name__).info(event, **what, by=dict(_by.get()))
