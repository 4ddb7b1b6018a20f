"""The routes of the HTTP API, made from its operations. Each resource has a module of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.http.api.openapi.catalogue import OPERATIONS
from liveserver.http.api.requests.authorisation import count

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def _route(path: str) -> Route:
    """Make one route for all methods of a path, so that a 405 names all of them."""
    operations = {operation.method: operation for operation in OPERATIONS if operation.path == path}

    async def endpoint(request: Request) -> Response:
        operation = operations["GET" if request.method == "HEAD" else request.method]
        count(request, needs_key=operation.scope is not None)
        return await operation.endpoint(request)

    return Route(path, endpoint, methods=list(operations))


API_ROUTES = [_route(path) for path in dict.fromkeys(operation.path for operation in OPERATIONS)]
"""The routes of the API, relative to `/api/v1`."""
