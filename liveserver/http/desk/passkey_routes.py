"""The endpoints of passkeys: for each `Purpose`, one that sends the options and one that takes the answer.

Requests and answers are JSON. Only scripts of the desk's own pages may send such requests.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse
from starlette.routing import Route

from liveserver.access.people.signed_state import Purpose
from liveserver.domain.errors import NotFound
from liveserver.http.api.requests.request_body import simple_body_of
from liveserver.http.container import services
from liveserver.http.desk.pages.answers import begin, client_of, path_below, signed_in
from liveserver.http.desk.pages.destination import DESTINATION_MAX, HOME, destination, when_confirmed
from liveserver.http.desk.same_site import check_origin
from liveserver.http.desk.state_cookie import StateCookie

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.people.passkeys import Passkeys

BODY_MAX = 16 * 1024
"""The greatest size of a request body, in bytes. An authenticator's answer has some 1,500 bytes, or 6,000 with an
attestation by a certificate."""
TOKEN_MAX = 100
"""The greatest length of a link's token, in characters. Ours have 43."""


class OptionsInput(BaseModel):
    """The body of a request for the options that a browser passes to an authenticator."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field("", max_length=TOKEN_MAX)
    """The token of the link; for `join` only."""


class AnswerInput(OptionsInput):
    """The body with an authenticator's answer."""

    answer: dict[str, Any]
    next: str = Field(HOME, max_length=DESTINATION_MAX)
    """The path of the page that follows; for `sign-in` and `confirm` only."""


def _cookie(request: Request, passkeys: Passkeys, purpose: Purpose) -> StateCookie:
    # One cookie for each purpose: a page for signing in, open in another tab, asks for a new challenge every few
    # minutes. In a common cookie, that challenge would replace the one for a passkey that is being made here.
    return StateCookie(f"passkey-{purpose}", passkeys.lifetime, secure=services(request).desk_sessions.secure)


def _checked(request: Request) -> Passkeys:
    """Return the site's passkeys. Raises NotFound if it has none, and Forbidden for a page of another site."""
    parts = services(request)
    if parts.passkeys is None:
        raise NotFound("there are no passkeys here")
    check_origin(request, parts.settings.base_url, request.method)
    return parts.passkeys


async def _options(purpose: Purpose, request: Request) -> Response:
    """Answer with the options that the browser passes to an authenticator, and set the cookie with their challenge."""
    passkeys = _checked(request)
    body = await simple_body_of(request, OptionsInput, limit=BODY_MAX)
    match purpose:
        case Purpose.SIGN_IN:
            found = await passkeys.sign_in_options()
        case Purpose.JOIN:
            found = await passkeys.join_options(body.token, client_of(request))
        case Purpose.ADD:
            found = await passkeys.add_options(await signed_in(request))
        case Purpose.CONFIRM:
            found = await passkeys.confirm_options(await signed_in(request))
    response = JSONResponse(found.public_key, headers={"Cache-Control": "no-store"})
    _cookie(request, passkeys, purpose).set(response, found.state)
    return response


async def _answer(purpose: Purpose, request: Request) -> Response:
    """Take an authenticator's answer: sign in, join, add the passkey, or confirm the session."""
    passkeys = _checked(request)
    body = await simple_body_of(request, AnswerInput, limit=BODY_MAX)
    cookie, client = _cookie(request, passkeys, purpose), client_of(request)
    state, user = cookie.of(request), None
    match purpose:
        case Purpose.SIGN_IN:
            user, path = await passkeys.sign_in(state, body.answer, client), destination(body.next)
        case Purpose.JOIN:
            user, path = await passkeys.join(state, body.token, body.answer, client), HOME
        case Purpose.ADD:
            await passkeys.add(state, await signed_in(request), body.answer, client)
            path = "/desk/account?done=passkey-made"
        case Purpose.CONFIRM:
            await passkeys.confirm(state, await signed_in(request), body.answer, client)
            path = when_confirmed(destination(body.next))
    response = JSONResponse({"next": path_below(request, path)}, headers={"Cache-Control": "no-store"})
    cookie.remove(response)
    if user is not None:
        await begin(request, response, user)
    return response


PASSKEY_ROUTES = [
    Route(f"/desk/signin/passkey/{purpose}{ending}", partial(endpoint, purpose), methods=["POST"])
    for purpose in Purpose
    for ending, endpoint in (("/options", _options), ("", _answer))
]
"""The routes of passkeys, two for each purpose."""
