"""Answers to requests that fail: pages for people, and problem documents (RFC 9457) for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from liveserver.domain.errors import Busy, ClientGone, LiveserverError, StoreUnavailable, TooManyRequests
from liveserver.http.middleware.page_limits import is_counted
from liveserver.http.pages.reader import error_page, plain_error_page, too_many_page
from liveserver.http.problems import KINDS, crash_problem, handle_error, http_problem
from liveserver.http.rejections import refused, slow_down

if TYPE_CHECKING:
    from starlette.requests import Request

log = structlog.get_logger(__name__)


def _for_people(request: Request) -> bool:
    path = request.url.path
    if path == "/" or path.startswith("/live/"):
        return True
    return not path.startswith(("/api/", "/desk/api/")) and "text/html" in request.headers.get("accept", "")


async def our_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request that raised a LiveserverError: a page for people, a problem document for programs.

    After ClientGone, the answer is empty, since nobody reads it.
    """
    assert isinstance(error, LiveserverError)
    if isinstance(error, ClientGone):
        return _to_nobody()
    error = refused(request.scope, error)
    if isinstance(error, TooManyRequests | Busy):
        slow_down(request.scope)
    if _for_people(request):
        if isinstance(error, TooManyRequests):
            # This page is made without the database: a refusal must cost less than an answer.
            return too_many_page(request, error)
        if isinstance(error, Busy):
            return plain_error_page(request, 503)
        problem_kind = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)
        return await error_page(request, problem_kind.status)
    return await handle_error(request, error)


async def ended(request: Request) -> Response:
    """Return the answer (status 503) to a request that was cancelled, because the server ends."""
    if _for_people(request):
        return plain_error_page(request, 503)
    return await handle_error(request, StoreUnavailable("the server ends before the database has answered"))


async def http_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request that raised Starlette's HTTPException, perhaps because its path doesn't exist."""
    assert isinstance(error, HTTPException)
    if not is_counted(request.scope["path"]):
        slow_down(request.scope)
    if error.status_code == 404 and _for_people(request):
        return await error_page(request, 404)
    return http_problem(request, error)


async def left(_request: Request, _error: Exception) -> Response:
    """Return an answer to a request whose client left before the whole body had come. Nobody reads the answer."""
    return _to_nobody()


def _to_nobody() -> Response:
    """Return an answer that nobody reads, because the client has gone. Nothing is logged."""
    return Response(status_code=400)


async def crash(request: Request, error: Exception) -> Response:
    """Log an unexpected error with its traceback, and return the answer (status 500) to the request that raised it."""
    log.error("request.failed", path=request.url.path, exc_info=error)
    if _for_people(request):
        return plain_error_page(request, 500)
    return crash_problem(request)
