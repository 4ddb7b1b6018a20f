"""The page for signing in, `/desk/signin`, and the form that signs out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from liveserver.access.people.sign_in import WrongPassword
from liveserver.domain.errors import Busy, NotFound, TooManyRequests, Unauthorized
from liveserver.domain.ids import now
from liveserver.http.container import services
from liveserver.http.desk.pages.answers import (
    client_of,
    desk_actor,
    desk_page,
    enter,
    language_of,
    page,
    redirect,
    too_many,
)
from liveserver.http.desk.pages.destination import HOME, destination
from liveserver.http.desk.pages.form import form_of
from liveserver.http.responses.session_cookie import remove_cookie
from liveserver.rendering.desk.desk_pages import Message

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@desk_page
async def sign_in_page(request: Request) -> Response:
    """Answer with the page for signing in. If the user is signed in already, redirect to the destination (`?next=`)."""
    wanted = destination(request.query_params.get("next"))
    if await desk_actor(request) is not None:
        return redirect(request, wanted)
    # Only the desk's own pages may say so: a link from elsewhere could say it falsely.
    ended = "ended" in request.query_params and request.headers.get("sec-fetch-site") == "same-origin"
    error = Message("sign_in.ended") if ended else None
    return page(services(request).desk_pages.sign_in(language_of(request), destination=wanted, error=error))


@desk_page
async def sign_in(request: Request) -> Response:
    """Sign in by name and password. If that fails, the answer is the page again, with the name filled in."""
    parts, form = services(request), await form_of(request)
    wanted, name = destination(form.get("next")), form.get("name", "")
    headers: dict[str, str] = {}
    try:
        user = await parts.sign_in.with_password(name, form.get("password", ""), client_of(request))
    except WrongPassword:
        error, status = Message("sign_in.wrong"), 401
    except Unauthorized:
        error, status = Message("sign_in.off"), 401
    except (TooManyRequests, Busy) as refusal:
        error, status, headers = too_many(request, refusal)
    else:
        return await enter(request, user, wanted)
    html = parts.desk_pages.sign_in(language_of(request), destination=wanted, name=name, error=error)
    return page(html, status, headers)


@desk_page
async def sign_out(request: Request) -> Response:
    """End the session, and lead to the page for signing in, and from there to the page in `?next=`."""
    parts = services(request)
    actor = await desk_actor(request)
    if actor is not None:
        by = actor.actor.principal
        with suppress(NotFound, Unauthorized):
            await parts.store.sessions.end(actor.session.id, by, now())
    wanted = destination(request.query_params.get("next"))
    response = redirect(request, "/desk/signin" if wanted == HOME else f"/desk/signin?next={quote(wanted, safe='/')}")
    remove_cookie(response, parts.desk_sessions)
    return response
