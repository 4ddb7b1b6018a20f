"""Errors as problem documents: JSON of the type `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import structlog
from starlette.responses import Response

from liveserver.access.people.sign_in import NotConfirmed
from liveserver.domain import errors
from liveserver.domain.entry import Entry
from liveserver.domain.ids import EntityVersion
from liveserver.domain.media import Media
from liveserver.domain.partner import Partner
from liveserver.domain.people.user import User
from liveserver.http.container import services
from liveserver.http.rejections import waiting
from liveserver.http.requesters import is_at_desk
from liveserver.http.responses.entity_tags import version_tag
from liveserver.protocol import json_encoding, resources
from liveserver.protocol.people import user_object

if TYPE_CHECKING:
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    from liveserver.domain.liveblog import Liveblog

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"


class PreconditionRequired(errors.LiveserverError):
    """The request has no `If-Match` header, which must name the version that the client edited."""


class UnsupportedMediaType(errors.LiveserverError):
    """The request body has a media type that the operation doesn't accept."""


class TooLarge(errors.LiveserverError):
    """The request body is larger than the operation accepts."""


class Kind(NamedTuple):
    """One kind of problem. All problem documents of the kind have the same status, type and title."""

    status: int
    name: str
    """The last part of the URI in the document's field `type`. Clients rely on this name, so it never changes."""
    title: str


KINDS: dict[type[errors.LiveserverError], Kind] = {
    errors.KeyReused: Kind(422, "idempotency-key-reused", "The Idempotency-Key came with another request before"),
    errors.InvalidInput: Kind(422, "invalid", "The request is not valid"),
    errors.NotFound: Kind(404, "not-found", "Not found"),
    errors.Gone: Kind(410, "gone", "It was deleted"),
    errors.Conflict: Kind(409, "conflict", "The current state does not allow this"),
    errors.VersionConflict: Kind(412, "version-conflict", "It was changed since you read it"),
    UnsupportedMediaType: Kind(415, "unsupported-media-type", "The request body is of the wrong kind"),
    TooLarge: Kind(413, "too-large", "The request body is too large"),
    PreconditionRequired: Kind(428, "precondition-required", "If-Match is required"),
    errors.Unauthorized: Kind(401, "unauthorized", "A valid API key or session is required"),
    errors.EmbedRefused: Kind(403, "not-admitted", "The live blog may not be shown here"),
    NotConfirmed: Kind(403, "not-confirmed", "Prove once more who you are"),
    errors.OtherSite: Kind(403, "other-site", "The request did not come from the desk"),
    errors.Forbidden: Kind(403, "forbidden", "This is not allowed"),
    errors.TooManyRequests: Kind(429, "too-many-requests", "Too many requests"),
    errors.StoreUnavailable: Kind(503, "unavailable", "The database is not available"),
    errors.Draining: Kind(503, "draining", "This server is about to end"),
    errors.Unavailable: Kind(503, "unavailable", "What this needs is not available"),
}


def problem(
    kind: Kind,
    detail: str,
    *,
    instance: str,
    headers: dict[str, str] | None = None,
    **more: object,
) -> Response:
    """Return a response with a problem document.

    `detail`: a text that explains this occurrence of the problem. `instance`: the request's path. `more`: additional
    members of the document.
    """
    content = {
        "type": f"urn:liveserver:problem:{kind.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        **more,
    }
    return Response(
        json_encoding.dumps(content),
        kind.status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


async def handle_error(request: Request, error: Exception) -> Response:
    """Return the problem document for a LiveserverError. A StoreUnavailable is logged.

    For a VersionConflict, the document also has the current version of what the client edited. If the store must be
    read for this, and can't be read, the document is the one for StoreUnavailable.
    """
    assert isinstance(error, errors.LiveserverError)
    kind = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)
    headers: dict[str, str] = {}
    more: dict[str, object] = {}
    detail = str(error) or kind.title
    match error:
        case errors.InvalidInput():
            more["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in error.errors]
        case errors.VersionConflict(current=current):
            try:
                more["current"], headers["ETag"] = await _current(request, current)
            except errors.StoreUnavailable as outage:
                # Without the current state, the answer is of no use to an editor. The same request will get it later.
                return await handle_error(request, outage)
        case errors.EmbedRefused():
            more["reason"] = error.reason
        case errors.Unauthorized():
            headers["WWW-Authenticate"] = 'Bearer realm="liveserver"'
        case errors.TooManyRequests():
            headers |= waiting(error)
        case errors.Draining():
            headers["Retry-After"] = str(error.retry_after)
        case errors.Unavailable():
            headers["Retry-After"] = str(error.retry_after)
            if isinstance(error, errors.StoreUnavailable):
                log.warning("store.unavailable", path=request.url.path, error=detail)
                detail = "The database does not answer. Try again: the same Idempotency-Key publishes nothing twice."
    return problem(kind, detail, instance=request.url.path, headers=headers, **more)


async def _current(
    request: Request, current: Entry | Liveblog | Media | Partner | User
) -> tuple[json_encoding.JSON, str]:
    """Return the JSON of `current`, as the API shows it, and the entity tag of `current`."""
    parts = services(request)
    if isinstance(current, Media):
        return parts.presenter.media(current), version_tag(current.entity_version)
    if isinstance(current, Partner):
        return resources.partner_object(current), version_tag(current.entity_version)
    if isinstance(current, User):
        return user_object(current), version_tag(current.entity_version)
    liveblog = await parts.store.liveblogs.find(request.path_params["slug"])
    if isinstance(current, Entry):
        # As a GET of the entry answers: at the desk, with its review.
        content = (parts.presenter.work if is_at_desk(request) else parts.presenter.entry)(liveblog, current)
        return content, version_tag(EntityVersion(current.version, liveblog.epoch), json_encoding.dumps(content))
    return parts.presenter.liveblog(liveblog), version_tag(liveblog.entity_version)


def http_problem(request: Request, error: HTTPException) -> Response:
    """Return the problem document for an error of Starlette, such as an unknown path or a method that isn't allowed."""
    status = HTTPStatus(error.status_code)
    kind = Kind(int(status), status.phrase.lower().replace(" ", "-"), status.phrase)
    detail, headers = error.detail, dict(error.headers or {})
    # Not `request.url.path`: Starlette makes the URL from the decoded path, and its path ends at the first question
    # mark, even one that was encoded.
    path = request.scope["path"]
    if status == HTTPStatus.NOT_FOUND:
        detail = f"nothing is at {path}"
        # Scripts of other sites may ask with a mistyped slug. They must be able to read that nothing was found.
        headers["Access-Control-Allow-Origin"] = "*"
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not allowed here, but {headers.get('Allow', 'GET')}"
    return problem(kind, detail, instance=path, headers=headers)


def crash_problem(request: Request) -> Response:
    """Return the problem document for an unhandled exception. The document says nothing about the exception."""
    kind = Kind(500, "internal", "The server failed")
    return problem(kind, "The error was logged.", instance=request.url.path)
