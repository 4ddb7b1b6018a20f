"""The audit log: changes of keys and partners, each logged with its actor and the way it was made."""

from __future__ import annotations

from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOBODY: Mapping[str, object] = MappingProxyType({})
_by: ContextVar[Mapping[str, object]] = ContextVar("by", default=_NOBODY)


def by(**actor: object) -> None:
    """Set the actor for this task from now on: an API key's id, an address, a route; or a command."""
    _by.set(actor)


def done(event: str, **fields: object) -> None:
    """Log a change that was written. There is no limit to these lines: a change takes a good key, or the machine."""
    # Not bound at import: commands configure their logs once they know their settings.
    structlog.get_logger(__name__).info(event, **fields, by=dict(_by.get()))
