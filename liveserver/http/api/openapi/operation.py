"""An operation of the API, declared once: its route and its OpenAPI description come from the same place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response

WRITING = (401, 403, 413, 415, 422, 503)
"""Problems that every request may meet that sends a body with a key."""

_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path below `/api/v1`."""

    method: str
    path: str
    """As routes have it: each of its parameters with its form (`http/route_params.py`)."""
    endpoint: Callable[[Request], Awaitable[Response]]
    tag: str
    summary: str
    answers: dict[int, tuple[str, type[BaseModel] | tuple[type[BaseModel], ...] | None]]
    """Status → description and shape, of the answers that are no problems."""
    problems: tuple[int, ...] = ()
    description: str = ""
    scope: str | None = None
    """What the API key must be allowed to; None: no key is needed."""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    content: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Media type → schema of a request body that isn't JSON."""
    example: dict[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    """Request headers that it heeds."""
    media_type: str = "application/json"

    @property
    def template(self) -> str:
        """The path as OpenAPI has it: its parameters by name alone."""
        return _PARAMETER.sub(r"{\1}", self.path)

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of its path, and the form of each."""
        return dict(_PARAMETER.findall(self.path))
