"""The page to which links of all kinds lead, `/desk/join#TOKEN`: to join, to set a new password, or to sign in.

The token is in the fragment, which browsers send to no server and name in no referrer. So it gets into no log. A script
moves it into the page's form; without scripts, people paste the link into the form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from liveserver.access.people.passwords import LENGTH_MAX, LENGTH_MIN, BadPassword
from liveserver.domain.errors import Busy, TooManyRequests, Unauthorized
from liveserver.domain.people.user import LinkKind
from liveserver.http.container import services
from liveserver.http.desk.pages.answers import client_of, desk_actor, desk_page, enter, language_of, page, too_many
from liveserver.http.desk.pages.form import form_of
from liveserver.rendering.desk.desk_pages import Message
from liveserver.utils.tokens import digest_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.domain.people.user import JoinLink, User

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
BAD_LINK = Message("join.bad_link")


@desk_page
async def link_page(request: Request) -> Response:
    """Answer with the page that asks for the link. Its script takes the link out of the page's own address."""
    return await _link_page(request)


@desk_page
async def join(request: Request) -> Response:
    """Answer a form with a link. Without a password, the answer is the page on which the link's user sets one.

    With a password, the password is set, and the user is signed in. A link of the kind `sign-in` needs no password.
    """
    parts, language, client = services(request), language_of(request), client_of(request)
    form = await form_of(request)
    token, password = _token_in(form.get("link", "")), form.get("password")
    if token is None:
        return await _link_page(request, error=BAD_LINK, status=401)
    try:
        if password is not None:
            return await enter(request, await parts.sign_in.join_with_password(token, password, client), "/desk")
        link, user = await parts.sign_in.link(token, client)
        if link.kind is LinkKind.SIGN_IN:
            return await enter(request, await parts.sign_in.join(token, user, None, client), "/desk")
        return page(parts.desk_pages.join(language, link.kind, user, token))
    except Unauthorized:
        return await _link_page(request, error=BAD_LINK, status=401)
    except BadPassword as bad:
        error, status, headers = why(bad), 422, dict[str, str]()
    except (TooManyRequests, Busy) as refusal:
        error, status, headers = too_many(request, refusal)
        if password is None:
            return await _link_page(request, error=error, status=status, headers=headers)
    # The try was counted already, or was refused as too many passwords wait, so it isn't counted (again) now.
    try:
        link, user = await _found(request, token)
    except Unauthorized:
        return await _link_page(request, error=BAD_LINK, status=401)
    return page(parts.desk_pages.join(language, link.kind, user, token, error=error), status, headers)


async def _link_page(
    request: Request, *, error: Message | None = None, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return the page that asks for the link. A person who is signed in already finds the way to the desk there."""
    parts, actor = services(request), await desk_actor(request)
    user = None if actor is None else await parts.store.users.find(actor.actor.principal.id)
    return page(parts.desk_pages.link(language_of(request), user=user, error=error), status, headers)


def why(bad: BadPassword) -> Message:
    """Return the sentence that says why a new password isn't taken."""
    return Message(f"join.{bad.reason}", {"least": str(LENGTH_MIN), "most": str(LENGTH_MAX)})


async def _found(request: Request, token: str) -> tuple[JoinLink, User]:
    return await services(request).store.credentials.link(digest_of(token))


def _token_in(text: str) -> str | None:
    """Return the token in a text that is a link or only its token; None if the text has no token."""
    token = text.rpartition("#")[2].strip()
    return token if _TOKEN.fullmatch(token) else None
