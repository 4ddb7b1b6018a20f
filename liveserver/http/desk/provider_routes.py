"""The way to the OpenID provider, `/desk/signin/provider`, and the way back, `/desk/signin/provider/callback`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.routing import Route

from liveserver.access.people.provider_errors import (
    LinkGone,
    NotFresh,
    NotOneOfUs,
    ProviderDenied,
    ProviderDown,
    ProviderRefused,
    SomebodyElse,
    UserOff,
)
from liveserver.access.people.sign_in import NotConfirmed
from liveserver.access.people.signed_state import Purpose
from liveserver.access.people.ways import CALLBACK
from liveserver.domain.errors import (
    Busy,
    Conflict,
    FieldError,
    Forbidden,
    InvalidInput,
    LiveserverError,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from liveserver.http.container import services
from liveserver.http.desk.pages.answers import (
    ask_to_confirm,
    client_of,
    desk_actor,
    desk_page,
    enter,
    language_of,
    page,
    redirect,
    too_many,
)
from liveserver.http.desk.pages.destination import ACCOUNT, CONFIRMED, HOME, destination, when_confirmed
from liveserver.http.desk.pages.form import form_of
from liveserver.http.desk.pages.routes import form_alone
from liveserver.http.desk.state_cookie import StateCookie
from liveserver.http.problems import KINDS
from liveserver.http.rejections import refused
from liveserver.rendering.desk.desk_pages import Message
from liveserver.store.repositories.people.identities import TooManyIdentities

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.people.provider_sign_in import ProviderSignIn

CONNECTED = f"{ACCOUNT}?done=provider"
SIGN_IN = "/desk/signin"

_MESSAGES: dict[type[LiveserverError], str] = {
    ProviderDown: "down",
    ProviderDenied: "denied",
    ProviderRefused: "failed",
    NotOneOfUs: "unknown",
    SomebodyElse: "somebody_else",
    NotFresh: "not_fresh",
    UserOff: "off",
    LinkGone: "link",
    Conflict: "taken",
    TooManyIdentities: "full",
    Unauthorized: "expired",
    Forbidden: "failed",
}
"""The last part of the message's key, `provider.…`, for each error. A page shows no text that the provider has sent."""


@desk_page
async def depart(request: Request) -> Response:
    """Answer a form with a page that sends the browser on to the provider (`refresh`).

    The answer isn't a redirect: after a form, browsers follow a redirect to another site only if `form-action` of the
    Content-Security-Policy names that site.
    """
    provider, form = _provider(request), await form_of(request)
    try:
        purpose = Purpose(form.get("for", Purpose.SIGN_IN))
    except ValueError:
        raise InvalidInput([FieldError("/for", f"must be one of {', '.join(Purpose)}")]) from None
    # The fields of the pages' own forms: `next` of signing in and confirming, `link` of joining.
    wanted = destination(form.get("next"))
    path = {Purpose.JOIN: HOME, Purpose.ADD: CONNECTED, Purpose.CONFIRM: when_confirmed(wanted)}.get(purpose, wanted)
    token = form.get("link", "").rpartition("#")[2]
    try:
        departure = await provider.depart(
            purpose, client_of(request), token=token, actor=await desk_actor(request), destination=path
        )
    except NotConfirmed:
        raise
    except LiveserverError as error:
        return _told(request, error, _way_back(purpose, path))
    response = page(services(request).desk_pages.departure(language_of(request), departure.address))
    _cookie(request, provider).set(response, departure.state)
    return response


async def arrive(request: Request) -> Response:
    """Answer a browser that the provider has sent back: lead to the destination, or say on a page what went wrong.

    If the user signs in or joins, the answer begins a session.
    """
    provider = _provider(request)
    cookie = _cookie(request, provider)
    actor = await desk_actor(request)
    aim = await provider.aim(cookie.of(request))
    try:
        arrival = await provider.arrive(cookie.of(request), request.query_params, actor, client_of(request))
    except NotConfirmed:
        return await ask_to_confirm(request, ACCOUNT)
    except LiveserverError as error:
        # Without an aim, the flow has ended, or wasn't begun here. A session leads to the account then.
        back = _way_back(*aim) if aim is not None else SIGN_IN if actor is None else ACCOUNT
        return _told(request, error, back)
    if arrival.signed_in is None:
        response = redirect(request, arrival.destination)
    else:
        response = await enter(request, arrival.signed_in, arrival.destination)
    cookie.remove(response)
    return response


def _way_back(purpose: Purpose, path: str) -> str:
    """Return the path of the page on which a person chooses another way, if a flow fails.

    `path`: the path of the page to which the flow should have led.
    """
    match purpose:
        case Purpose.ADD:
            return ACCOUNT
        case Purpose.CONFIRM:
            return f"/desk/confirm?next={quote(path.removesuffix(CONFIRMED), safe='/')}"
    return SIGN_IN if path == HOME else f"{SIGN_IN}?next={quote(path, safe='/')}"


def _provider(request: Request) -> ProviderSignIn:
    provider = services(request).provider
    if provider is None:
        raise NotFound("there is no provider here")
    return provider


def _cookie(request: Request, provider: ProviderSignIn) -> StateCookie:
    return StateCookie("provider", provider.lifetime, secure=services(request).desk_sessions.secure)


def _told(request: Request, error: LiveserverError, back: str) -> Response:
    """Return a page that says what went wrong, and has a link to the page with the path `back`.

    Raises the error again if it has no text in `_MESSAGES`, and isn't TooManyRequests or Busy.
    """
    headers: dict[str, str] = {}
    if isinstance(error, TooManyRequests | Busy):
        message, status, headers = too_many(request, error)
    else:
        refused(request.scope, error)
        found = next((cls for cls in type(error).__mro__ if cls in _MESSAGES), None)
        if found is None:
            raise error
        message = Message(f"provider.{_MESSAGES[found]}")
        status = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS).status
    return page(services(request).desk_pages.provider_problem(language_of(request), message, back), status, headers)


PROVIDER_ROUTES = [
    form_alone("/desk/signin/provider", depart, SIGN_IN),
    Route(CALLBACK, arrive),
]
"""The routes for signing in by the provider."""
