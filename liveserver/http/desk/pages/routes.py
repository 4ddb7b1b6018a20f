"""The routes of the desk's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from liveserver.http.desk.pages.account import (
    account_page,
    change_password,
    end_sessions,
    remove_identity,
    remove_passkey,
)
from liveserver.http.desk.pages.answers import redirect
from liveserver.http.desk.pages.confirm import confirm, confirm_page
from liveserver.http.desk.pages.destination import ACCOUNT, HOME
from liveserver.http.desk.pages.home import home_page
from liveserver.http.desk.pages.join import join, link_page
from liveserver.http.desk.pages.sign_in import sign_in, sign_in_page, sign_out

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.http.desk.pages.answers import Endpoint


def _page_with_form(path: str, page: Endpoint, form: Endpoint) -> Route:
    """Return one route for a GET of a page and a POST of its form, so that a 405 can name both methods."""

    async def endpoint(request: Request) -> Response:
        return await (form if request.method == "POST" else page)(request)

    return Route(path, endpoint, methods=["GET", "POST"])


def form_alone(path: str, form: Endpoint, back: str) -> Route:
    """Return one route for a POST of a form, and a GET that leads to the page with the form, which has the path `back`.

    After a form that was refused, the browser's address is the form's. A person may load that again.
    """

    async def lead_back(request: Request) -> Response:
        return redirect(request, back)

    return _page_with_form(path, lead_back, form)


async def without_slash(request: Request) -> Response:
    """Redirect `/desk/` to the desk's first page."""
    return redirect(request, "/desk")


DESK_PAGE_ROUTES = [
    Route("/desk", home_page),
    Route("/desk/", without_slash),
    _page_with_form("/desk/signin", sign_in_page, sign_in),
    form_alone("/desk/signout", sign_out, HOME),
    _page_with_form("/desk/join", link_page, join),
    _page_with_form("/desk/confirm", confirm_page, confirm),
    Route("/desk/account", account_page),
    form_alone("/desk/account/password", change_password, ACCOUNT),
    form_alone("/desk/account/sessions", end_sessions, ACCOUNT),
    form_alone("/desk/account/passkeys", remove_passkey, ACCOUNT),
    form_alone("/desk/account/identities", remove_identity, ACCOUNT),
]
