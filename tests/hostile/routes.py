"""Every route that the application has, collected from it: a new one can't be forgotten."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from starlette.routing import Mount, Route, WebSocketRoute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

_PARAMETER = re.compile(r"\{(\w+)\}")


class Template(NamedTuple):
    """A route's path, as the OpenAPI document writes it, and its methods."""

    path: str
    methods: frozenset[str]
    """Empty for a WebSocket's."""

    @property
    def names(self) -> list[str]:
        """Of the parameters in the path."""
        return _PARAMETER.findall(self.path)

    def fill(self, values: Mapping[str, str], *, otherwise: str) -> str:
        """The path with these values in it, and another one for parameters without."""
        return _PARAMETER.sub(lambda match: values.get(match[1], otherwise), self.path)


def templates(app: Starlette) -> tuple[Template, ...]:
    """Of all routes of the application."""
    return tuple(_collect(app.routes, ""))


def _collect(routes: Iterable[BaseRoute], prefix: str) -> Iterator[Template]:
    for route in routes:
        if isinstance(route, Route):
            yield Template(prefix + route.path_format, frozenset(route.methods or {"GET"}))
        elif isinstance(route, WebSocketRoute):
            yield Template(prefix + route.path_format, frozenset())
        elif isinstance(route, Mount):
            if route.routes:
                yield from _collect(route.routes, prefix + route.path)
            else:
                # Files.
                yield Template(f"{prefix}{route.path}/{{path}}", frozenset({"GET", "HEAD"}))
