"""An operation of the API, declared once. Its route and its OpenAPI description are made from the declaration."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.domain.people.rights import Verb

WRITING = (401, 403, 413, 415, 422, 503)
"""The statuses of the problems with which an operation may answer if it needs an API key (or a session) and a
request body."""

JSON_LINES = "application/x-ndjson"
"""The media type of answers with one JSON object on each line."""

_PARAMETER = re.compile(r"\{(\w+):(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path below `/api/v1` or `/desk/api/v1`."""

    method: str
    path: str
    """The path as routes need it, such as `/liveblogs/{slug:slug}`. Each parameter has a name and, after the colon, the
    name of its form (`http/route_params.py`)."""
    endpoint: Callable[[Request], Awaitable[Response]]
    tag: str
    summary: str
    answers: dict[int, tuple[str, type[BaseModel] | tuple[type[BaseModel], ...] | None]]
    """The answers that aren't problems, by status. Each answer has a description, and the model or models of its JSON;
    None for an answer without JSON."""
    problems: tuple[int, ...] = ()
    """The statuses of the problems with which this operation may answer. `OF_ALL` (`document.py`) has the statuses that
    all operations share."""
    description: str = ""
    verb: Verb | None = None
    """The verb that the rights of the request's sender must allow; None if the sender needs no rights."""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    content: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The schemas of a request body that isn't JSON, by media type; empty if the body is JSON, or if there is no
    body."""
    example: dict[str, Any] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    """The names of the request headers that this operation reads, such as `If-Match`."""
    media_type: str = "application/json"
    lines: bool = False
    """True if the answer comes as JSON lines to a client that accepts them."""
    confirmed: bool = False
    """True if the user must have proved their identity in the last ten minutes (`CONFIRMED_FOR`). Only the desk has
    such operations."""

    @property
    def template(self) -> str:
        """The path as OpenAPI needs it, such as `/liveblogs/{slug}`: without the names of the parameters' forms."""
        return _PARAMETER.sub(r"{\1}", self.path)

    @property
    def parameters(self) -> dict[str, str]:
        """The names of the path's parameters, each with the name of its form (`http/route_params.py`)."""
        return dict(_PARAMETER.findall(self.path))
