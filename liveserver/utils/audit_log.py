"""The audit log: a log line for each change of an API key or partner, and for each new reach link.

The line says who made the change and how.
"""

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

    `actor`: the fields of the log line's `by`. For a request they are the API key's id, the address and the route. For
    a command there is one field, the command's name.
    """
    _by.set(actor)


def done(event: str, **fields: object) -> None:
    """Log a change that was written, with the actor that `by` has set.

    `event`: the kind of change, such as `key.created`. `fields`: more fields of the log line. The number of these lines
    isn't limited, as each change needs a valid API key, or access to the machine.
    """
    # The logger isn't made at import: commands configure logging later, once they know their settings.
    structlog.get_logger(__name__).info(event, **fields, by=dict(_by.get()))
