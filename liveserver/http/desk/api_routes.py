"""The routes of the desk's API, for people who are signed in: all operations of `/api/v1`, and the desk's own.

An operation of `/api/v1` has the same path below `/desk/api/v1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.domain.errors import Unauthorized
from liveserver.http.api.openapi.catalogue import DESK_OPERATIONS, OPERATIONS
from liveserver.http.container import services
from liveserver.http.desk.same_site import SAFE, check_origin
from liveserver.http.requesters import DESK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.http.api.openapi.operation import Operation


def _route(path: str, all_operations: Sequence[Operation]) -> Route:
    """Return one route for all methods of a path, so that the answer 405 can name all methods that are allowed.

    `all_operations`: the operations of all paths.
    """
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
        if request.method not in SAFE and operation in DESK_OPERATIONS:
            # It may have ended a session, or taken a role. Desk streams here needn't go on for a second more.
            parts.desk_rooms.check_sessions.set()
        return _private(response)

    return Route(path, endpoint, methods=list(operations))


_REPLACED = frozenset({b"cache-control", b"access-control-allow-origin", b"access-control-expose-headers"})
"""The headers in which a public answer says which caches may keep it, and which sites' scripts may read it."""


def _private(response: Response) -> Response:
    """Forbid caches to keep a response, and scripts of other sites to read it. Returns the same response.

    The response gets a new list of headers. The old list isn't changed, since several responses may share it.
    """
    kept = [(name, value) for name, value in response.raw_headers if name.lower() not in _REPLACED]
    response.raw_headers = [*kept, (b"cache-control", b"no-store")]
    return response


def _routes() -> list[Route]:
    everything = (*OPERATIONS, *DESK_OPERATIONS)
    return [_route(path, everything) for path in dict.fromkeys(operation.path for operation in everything)]


DESK_API_ROUTES = _routes()
"""The routes of the desk's API, relative to `/desk/api/v1`."""
