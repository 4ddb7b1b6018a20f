"""The desk's first page, `/desk`: who is signed in, with which roles, and the live blogs that they may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.domain.errors import InvalidInput
from liveserver.http.container import services
from liveserver.http.desk.pages.answers import desk_page, language_of, page, redirect, signed_in
from liveserver.rendering.desk.desk_pages import HomeView

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LIVEBLOGS_SHOWN = 50
"""The greatest number of live blogs on one page, for users with a role on the whole site."""


@desk_page
async def home_page(request: Request) -> Response:
    """Answer with the desk's first page.

    A user with a role on the whole site sees all live blogs, page by page. Other users see those of their memberships.
    """
    actor = await signed_in(request)
    parts = services(request)
    user = await parts.store.users.find(actor.actor.principal.id)
    next_cursor = None
    if user.role is None:
        liveblogs = await parts.store.liveblogs.named([slug for slug, _ in user.memberships])
    else:
        try:
            liveblogs, next_cursor = await parts.store.liveblogs.page(
                limit=LIVEBLOGS_SHOWN, cursor=request.query_params.get("cursor")
            )
        except InvalidInput:
            return redirect(request, "/desk")
    return page(parts.desk_pages.home(language_of(request), HomeView(user, liveblogs, next_cursor)))
