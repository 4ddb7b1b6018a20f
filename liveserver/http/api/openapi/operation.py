"""An operation of the API, declared once: its route and its OpenAPI description are made from the declaration."""

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
"""The statuses of problems that any request with a key and a body may have."""

_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path below `/api/v1`."""

    method: str
    path: str
    """The path as routes have it, each parameter with its form (`http/route_params.py`)."""
    endpoint: Callable[[Request], Awaitable[Response]]
    tag: str
    summary: str
    answers: dict[int, tuple[str, type[BaseModel] | tuple[type[BaseModel], ...] | None]]
    """Status → description and shape, of the answers that are no problems."""
    problems: tuple[int, ...] = ()
    """The statuses of the problems that this operation may have, beside those of all."""
    description: str = ""
    scope: str | None = None
    """The scope that the API key needs; None if no key is needed."""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    content: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Media type → schema of a request body that isn't JSON."""
    example: dict[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    """The names of request headers that have a meaning for it."""
    media_type: str = "application/json"

    @property
    def template(self) -> str:
        """The path as OpenAPI has it: parameters without their forms."""
        return _PARAMETER.sub(r"{\1}", self.path)

    @property
    def parameters(self) -> dict[str, str]:
        """The names of the path's parameters, each with its form."""
        return dict(_PARAMETER.findall(self.path))
