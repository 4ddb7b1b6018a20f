"""The audit log: one log line for each change of a key or a partner, which says who made the change and how."""

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
    """Set the actor that `done` logs in this task from now on.

    `actor`: fields of the log line, such as an API key's id, an address and a route; or a command.
    """
    _by.set(actor)


def done(event: str, **fields: object) -> None:
    """Log a change that was written.

    The number of these lines isn't limited: only somebody with a valid API key, or with access to the machine, can make
    such a change.
    """
    # The logger isn't made at import: commands configure logging later, once they know their settings.
    structlog.get_logger(__name__).info(event, **fields, by=dict(_by.get()))
