"""The routes of the API, made from its operations. The modules of the resources declare the operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.http.api.openapi.catalogue import OPERATIONS
from liveserver.http.api.requests.authorisation import count

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


def _route(path: str) -> Route:
    """Return one route for all methods of a path, so that the answer 405 can name all methods that are allowed."""
    operations = {operation.method: operation for operation in OPERATIONS if operation.path == path}

    async def endpoint(request: Request) -> Response:
        operation = operations["GET" if request.method == "HEAD" else request.method]
        count(request, needs_key=operation.verb is not None)
        return await operation.endpoint(request)

    return Route(path, endpoint, methods=list(operations))


API_ROUTES = [_route(path) for path in dict.fromkeys(operation.path for operation in OPERATIONS)]
"""The routes of the API, relative to `/api/v1`."""
