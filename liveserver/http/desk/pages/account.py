"""The page of a user's account, `/desk/account`: the password, the passkeys and the sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.access.people.passwords import BadPassword
from liveserver.access.people.sign_in import NotConfirmed, WrongPassword
from liveserver.domain.errors import Busy, Conflict, NotFound, TooManyRequests
from liveserver.domain.ids import now
from liveserver.http.container import services
from liveserver.http.desk.pages.answers import (
    client_of,
    desk_page,
    language_of,
    page,
    redirect,
    signed_in,
    too_many,
)
from liveserver.http.desk.pages.form import form_of
from liveserver.http.desk.pages.join import why
from liveserver.rendering.desk.desk_pages import AccountView, Message, PasskeyRow

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.people.desk_sessions import DeskActor

DONE = {
    "password": Message("account.done_password"),
    "session": Message("account.done_session"),
    "others": Message("account.done_others"),
    "passkey": Message("account.done_passkey"),
    "passkey-made": Message("account.done_passkey_made"),
    "provider": Message("account.done_provider"),
    "gone": Message("account.gone"),
}
"""The messages that say what a form has done, by the value of `?done=` in the address of the account's page."""


@desk_page
async def account_page(request: Request) -> Response:
    """Answer with the page of the account."""
    actor = await signed_in(request)
    # Only the desk's own pages may say that something was done: a link from elsewhere could say it falsely.
    own = request.headers.get("sec-fetch-site") == "same-origin"
    done = DONE.get(request.query_params.get("done", "")) if own else None
    return await _account(request, actor, done=done)


@desk_page
async def change_password(request: Request) -> Response:
    """Set a new password, if the form has the right old one. The user's other sessions end.

    A form without an old password sets the user's first password. For that, the last proof of identity, such as
    signing in, must not be older than `CONFIRMED_FOR`. If no password is set, the answer is the account's page with the
    reason.
    """
    actor, form = await signed_in(request), await form_of(request)
    sign_in, headers = services(request).sign_in, dict[str, str]()
    try:
        if "old" in form:
            await sign_in.set_password(actor, form["old"], form.get("new", ""), client_of(request))
        else:
            await sign_in.add_password(actor, form.get("new", ""))
    except NotConfirmed:
        error, status = Message("account.confirm"), 403
    except (WrongPassword, Conflict):
        error, status = Message("account.wrong"), 403
    except BadPassword as bad:
        error, status = why(bad), 422
    except (TooManyRequests, Busy) as refusal:
        error, status, headers = too_many(request, refusal)
    else:
        return redirect(request, "/desk/account?done=password")
    return await _account(request, actor, error=error, status=status, headers=headers)


@desk_page
async def end_sessions(request: Request) -> Response:
    """End one of the user's sessions, or all except the present one.

    The form's field `end` has the id of the session, or `others`.
    """
    actor, form = await signed_in(request), await form_of(request)
    sessions, by = services(request).store.sessions, actor.actor.principal
    session_id = form.get("end", "")
    if session_id == "others":
        await sessions.end_all(by, now(), but=by.session)
        return redirect(request, "/desk/account?done=others")
    try:
        await sessions.end(session_id, by, now())
    except NotFound:
        return redirect(request, "/desk/account?done=gone")
    return redirect(request, "/desk/account?done=session")


@desk_page
async def remove_passkey(request: Request) -> Response:
    """Remove one of the user's passkeys. The form's field `remove` has the passkey's id.

    If the passkey is the user's only way to sign in, it stays, and the answer is a 409 with the account's page.
    """
    actor, form = await signed_in(request), await form_of(request)
    try:
        await services(request).store.credentials.remove_passkey(actor.actor.principal, form.get("remove", ""), now())
    except NotFound:
        return redirect(request, "/desk/account?done=gone")
    except Conflict:
        return await _account(request, actor, error=Message("account.last_way"), status=409)
    return redirect(request, "/desk/account?done=passkey")


async def _account(
    request: Request,
    actor: DeskActor,
    *,
    done: Message | None = None,
    error: Message | None = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    parts, principal = services(request), actor.actor.principal
    passkeys = await parts.store.credentials.passkeys(principal.id)
    view = AccountView(
        user=await parts.store.users.find(principal.id),
        has_password=await parts.store.credentials.password_of(principal.name) is not None,
        passkeys=[PasskeyRow(each.id, each.label, each.created_at, each.used_at) for each in passkeys],
        sessions=await parts.store.sessions.of_user(principal.id),
        current=actor.session.id,
    )
    return page(parts.desk_pages.account(language_of(request), view, done=done, error=error), status, headers)
