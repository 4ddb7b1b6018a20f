"""The page on which users prove once more who they are, `/desk/confirm`: by password, by passkey, or at the provider.

Other pages answer with it if a form needs such a proof. After the proof, it leads to the page in `?next=`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from liveserver.access.people.sign_in import WrongPassword
from liveserver.domain.errors import Busy, TooManyRequests
from liveserver.http.container import services
from liveserver.http.desk.pages.answers import (
    ask_to_confirm,
    client_of,
    desk_actor,
    desk_page,
    redirect,
    signed_in,
    too_many,
)
from liveserver.http.desk.pages.destination import destination, when_confirmed
from liveserver.http.desk.pages.form import form_of
from liveserver.rendering.desk.desk_pages import Message

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


@desk_page
async def confirm_page(request: Request) -> Response:
    """Answer with the page. If nobody is signed in, lead to the page for signing in: that is a proof, too."""
    wanted = destination(request.query_params.get("next"))
    if await desk_actor(request) is None:
        return redirect(request, f"/desk/signin?next={quote(wanted, safe='/')}")
    return await ask_to_confirm(request, wanted, status=200)


@desk_page
async def confirm(request: Request) -> Response:
    """Answer a form with the password: lead to the destination, or say on the page why the password isn't accepted."""
    actor, form = await signed_in(request), await form_of(request)
    wanted, headers = destination(form.get("next")), dict[str, str]()
    try:
        await services(request).sign_in.confirm_with_password(actor, form.get("password", ""), client_of(request))
    except WrongPassword:
        error, status = Message("confirm.wrong"), 403
    except (TooManyRequests, Busy) as refusal:
        error, status, headers = too_many(request, refusal)
    else:
        return redirect(request, when_confirmed(wanted))
    return await ask_to_confirm(request, wanted, error=error, status=status, headers=headers)
