"""The page of a user's account, `/desk/account`: the password, passkeys, identities at providers, and sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from liveserver.access.people.passwords import BadPassword
from liveserver.access.people.sign_in import CONFIRMED_FOR, WrongPassword, check_confirmed
from liveserver.access.people.ways import provider_name
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
from liveserver.rendering.desk.desk_pages import AccountView, IdentityRow, Message, PasskeyRow

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.people.desk_sessions import DeskActor
    from liveserver.domain.people.principal import Principal
    from liveserver.store.repositories.people.credentials import OfferedWays

DONE = {
    "password": Message("account.done_password"),
    "session": Message("account.done_session"),
    "others": Message("account.done_others"),
    "passkey": Message("account.done_passkey"),
    "passkey-made": Message("account.done_passkey_made"),
    "identity": Message("account.done_identity"),
    "confirmed": Message("account.done_confirmed"),
    "provider": Message("account.done_provider"),
    "gone": Message("account.gone"),
}
"""The messages that say what a form has done, by the value of `?done=` in the address of the account's page."""


@desk_page
async def account_page(request: Request) -> Response:
    """Answer with the page of the account."""
    actor = await signed_in(request)
    done = request.query_params.get("done", "")
    # Only the desk's own pages may say that something was done: a link from elsewhere could say it falsely. A browser
    # that the provider has sent back says that it comes from another site: what it tells is looked up.
    if request.headers.get("sec-fetch-site") != "same-origin" and not await _was_done(request, actor, done):
        done = ""
    return await _account(request, actor, done=DONE.get(done))


async def _was_done(request: Request, actor: DeskActor, done: str) -> bool:
    """Return True if the provider's answer has done this in the last ten minutes: `confirmed` or `provider`."""
    since = now() - CONFIRMED_FOR
    if done == "confirmed":
        return actor.session.confirmed_at > since
    if done == "provider":
        identities = await services(request).store.credentials.identities(actor.actor.principal.id)
        return any(identity.created_at > since for identity in identities)
    return False


@desk_page
async def change_password(request: Request) -> Response:
    """Set a new password, if the form has the right old one. The user's other sessions end.

    A form without an old password sets the user's first password. Raises NotConfirmed if the last proof of identity,
    such as signing in, is too old for that. If no password is set for another reason, the answer is the account's page
    with the reason.
    """
    actor, form = await signed_in(request), await form_of(request)
    sign_in, headers = services(request).sign_in, dict[str, str]()
    try:
        if "old" in form:
            await sign_in.set_password(actor, form["old"], form.get("new", ""), client_of(request))
        else:
            await sign_in.add_password(actor, form.get("new", ""))
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
    """Remove one of the user's passkeys. The form's field `remove` has the passkey's id. See `_remove`."""
    return await _remove(request, services(request).store.credentials.remove_passkey, "passkey")


@desk_page
async def remove_identity(request: Request) -> Response:
    """Remove one of the user's identities. The form's field `remove` has the identity's id. See `_remove`."""
    return await _remove(request, services(request).store.credentials.remove_identity, "identity")


class _Removal(Protocol):
    """A query that removes one of the acting user's ways to sign in."""

    async def __call__(self, by: Principal, way_id: str, at: datetime, /, *, offered: OfferedWays) -> object: ...


async def _remove(request: Request, removal: _Removal, done: str) -> Response:
    """Remove a way to sign in, and lead to the account's page, which says so (`done`).

    Raises NotConfirmed if the last proof of identity is too old. If the user could not sign in any more, nothing is
    removed, and the answer is a 409 with the account's page.
    """
    actor, form = await signed_in(request), await form_of(request)
    check_confirmed(actor)
    try:
        await removal(actor.actor.principal, form.get("remove", ""), now(), offered=services(request).offered_ways)
    except NotFound:
        return redirect(request, "/desk/account?done=gone")
    except Conflict:
        return await _account(request, actor, error=Message("account.last_way"), status=409)
    return redirect(request, f"/desk/account?done={done}")


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
    identities = await parts.store.credentials.identities(principal.id)
    view = AccountView(
        user=await parts.store.users.find(principal.id),
        has_password=await parts.store.credentials.password_of(principal.name) is not None,
        passkeys=[PasskeyRow(each.id, each.label, each.created_at, each.used_at) for each in passkeys],
        identities=[
            IdentityRow(each.id, provider_name(each.issuer, parts.provider), each.created_at, each.used_at)
            for each in identities
        ],
        sessions=await parts.store.sessions.of_user(principal.id),
        current=actor.session.id,
    )
    return page(parts.desk_pages.account(language_of(request), view, done=done, error=error), status, headers)
