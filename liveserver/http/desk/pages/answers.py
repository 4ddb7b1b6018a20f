"""The parts that all of the desk's pages have in common: headers, language, the session, and answers to refusals."""

from __future__ import annotations

from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import HTMLResponse, RedirectResponse

from liveserver.access.people.sign_in import Client, NotConfirmed
from liveserver.content.translations import FALLBACK
from liveserver.domain.errors import Forbidden, InvalidInput, NotFound, TooManyRequests, Unauthorized
from liveserver.domain.ids import now
from liveserver.http.container import services
from liveserver.http.desk.pages.destination import ACCOUNT
from liveserver.http.desk.same_site import SAFE, check_origin
from liveserver.http.problems import KINDS, TooLarge, UnsupportedMediaType
from liveserver.http.rejections import refused, slow_down, waiting
from liveserver.http.responses import security_headers
from liveserver.http.responses.reader_language import reader_language
from liveserver.http.responses.session_cookie import set_cookie
from liveserver.rendering.desk.desk_pages import ConfirmView, Message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.people.desk_sessions import DeskActor
    from liveserver.access.people.sign_in import SignedIn
    from liveserver.domain.errors import LiveserverError

    Endpoint = Callable[[Request], Awaitable[Response]]

ENDED = "ended=1"
"""The query with which the page for signing in says that the session had ended, and a form has changed nothing."""
HEADERS = {**security_headers.DESK, "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


def desk_page(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that refuses a form sent from another site, and answers some errors with a page.

    Unauthorized leads to the page for signing in, and NotConfirmed is answered with the page for confirming. Forbidden,
    InvalidInput, TooLarge and UnsupportedMediaType are answered with a page that says so. After a form, the sessions of
    open desk streams are checked again.
    """

    @wraps(endpoint)
    async def serve(request: Request) -> Response:
        try:
            check_origin(request, services(request).settings.base_url, request.method)
            response = await endpoint(request)
            if request.method not in SAFE:
                # It may have ended a session. Desk streams here needn't go on for a second more.
                services(request).desk_rooms.check_sessions.set()
            return response
        except Unauthorized:
            return to_sign_in(request)
        except NotConfirmed:
            return await ask_to_confirm(request, page_of(request))
        except (Forbidden, InvalidInput, TooLarge, UnsupportedMediaType) as error:
            refused(request.scope, error)
            name = "too_large" if isinstance(error, TooLarge) else "refused"
            status = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS).status
            return page(services(request).desk_pages.refused(language_of(request), name), status)

    return serve


def language_of(request: Request) -> str:
    """Return the language of the answer: by Accept-Language, or English if we have texts in none of its languages."""
    return reader_language(request.headers.get("accept-language")) or FALLBACK


def client_of(request: Request) -> Client:
    """Return the address and User-Agent of the client that sent a request."""
    return Client(request.scope.get("client"), request.headers.get("user-agent", ""))


async def desk_actor(request: Request) -> DeskActor | None:
    """Return the user who sent a request, with the session; None if nobody is signed in."""
    return await services(request).desk_sessions.authenticate(request.headers.get("cookie"), None)


async def signed_in(request: Request) -> DeskActor:
    """Return the user who sent a request, with the session. Raises Unauthorized if nobody is signed in."""
    actor = await desk_actor(request)
    if actor is None:
        raise Unauthorized("this needs somebody who is signed in at the desk")
    return actor


def page(html: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer with a page. `headers`: added to `HEADERS`, which all pages of the desk have."""
    return HTMLResponse(html, status, {**HEADERS, **(headers or {})})


def redirect(request: Request, path: str) -> Response:
    """Return a redirect to a page of the desk.

    `path`: the page's path in the routes, beginning with `/desk`, with or without a query.
    """
    return RedirectResponse(path_below(request, path), 303, HEADERS)


def path_below(request: Request, path: str) -> str:
    """Return the path at which browsers find a path of the routes. It begins with the path of the public address.

    For example, it is `/live/desk` for `/desk` if the site's public address is `https://example.org/live`. No host is
    named, as a client may send any Host header.
    """
    return services(request).pages.urls.desk_path.removesuffix("/desk") + path


def to_sign_in(request: Request) -> Response:
    """Return a redirect to the page for signing in. After signing in, the person gets the page in `page_of`.

    If the request was a form, the page says that nothing was changed.
    """
    ended = "" if request.method in SAFE else f"&{ENDED}"
    return redirect(request, f"/desk/signin?next={quote(page_of(request), safe='/')}{ended}")


def page_of(request: Request) -> str:
    """Return the path of the page that a person asked for. If the request was a form, return the account's page."""
    return request.url.path if request.method in {"GET", "HEAD"} else ACCOUNT


async def ask_to_confirm(
    request: Request,
    path: str,
    *,
    error: Message | None = None,
    status: int = 403,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return the page on which the user proves once more who they are, by any way that they have and the site offers.

    `path`: the path of the page that follows. `error`: why the last try failed. If the session has ended, the answer
    leads to the page for signing in.
    """
    actor = await desk_actor(request)
    if actor is None:
        return to_sign_in(request)
    parts, principal = services(request), actor.actor.principal
    credentials, offered = parts.store.credentials, parts.offered_ways
    issuers = {identity.issuer for identity in await credentials.identities(principal.id)}
    view = ConfirmView(
        user=await parts.store.users.find(principal.id),
        destination=path,
        by_password=await credentials.password_of(principal.name) is not None,
        by_passkey=offered.passkeys and bool(await credentials.passkeys(principal.id)),
        by_provider=offered.issuer in issuers,
    )
    return page(parts.desk_pages.confirm(language_of(request), view, error=error), status, headers)


async def enter(request: Request, user: SignedIn, path: str) -> Response:
    """Return the answer that begins a session: it sets the cookie, and leads to a page of the desk."""
    response = redirect(request, path)
    await begin(request, response, user)
    return response


async def begin(request: Request, response: Response, user: SignedIn) -> None:
    """Let a response begin a session: it sets the cookie.

    The session that the browser had before, if any, ends. So nobody goes on in a session that others may know.
    """
    parts = services(request)
    previous = await desk_actor(request)
    if previous is not None:
        by = previous.actor.principal
        # It may have ended in the meantime.
        with suppress(NotFound, Unauthorized):
            await parts.store.sessions.end(previous.session.id, by, now())
    set_cookie(response, parts.desk_sessions, user.token)


def too_many(request: Request, error: LiveserverError) -> tuple[Message, int, dict[str, str]]:
    """Return the message, the status and the headers of the answer if a try to sign in can't be checked now.

    `error`: TooManyRequests or Busy. The refusal is counted.
    """
    refused(request.scope, error)
    slow_down(request.scope)
    if isinstance(error, TooManyRequests):
        minutes = -(-error.retry_after // 60)
        return Message("sign_in.too_many", {"minutes": str(minutes)}), 429, waiting(error)
    return Message("sign_in.busy"), 503, {"Retry-After": "2"}
