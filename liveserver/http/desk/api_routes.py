"""The routes of the desk's API: every operation of the API again, and the desk's own, for people who are signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.domain.errors import Unauthorized
from liveserver.http.api.openapi.catalogue import DESK_OPERATIONS, OPERATIONS
from liveserver.http.api.requests.authorisation import DESK
from liveserver.http.container import services
from liveserver.http.desk.same_site import check_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.http.api.openapi.operation import Operation


def _route(path: str, all_operations: Sequence[Operation]) -> Route:
    """Return one route for all methods of a path, so that the answer 405 can name all methods that are allowed."""
    operations = {operation.method: operation for operation in all_operations if operation.path == path}

    async def endpoint(request: Request) -> Response:
        operation = operations["GET" if request.method == "HEAD" else request.method]
        parts = services(request)
        cookies = request.headers.get("cookie")
        if (ref := parts.desk_sessions.recall(cookies)) is not None:
            parts.limits.by_principal(ref)
        else:
            parts.limits.read(request.scope.get("client"))
        check_origin(request, parts.settings.base_url, request.method)
        found = await parts.desk_sessions.authenticate(cookies, request.path_params.get("slug"))
        if found is None:
            raise Unauthorized("this needs somebody who is signed in at the desk")
        request.scope[DESK] = found
        response = await operation.endpoint(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    return Route(path, endpoint, methods=list(operations))


def _routes() -> list[Route]:
    everything = (*OPERATIONS, *DESK_OPERATIONS)
    return [_route(path, everything) for path in dict.fromkeys(operation.path for operation in everything)]


DESK_API_ROUTES = _routes()
"""The routes of the desk's API, relative to `/desk/api/v1`."""
