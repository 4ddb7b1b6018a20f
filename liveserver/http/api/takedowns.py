"""`/api/v1/liveblogs/{slug}/takedowns` and `…/gone`"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.inputs.bodies import GoneInput
from liveserver.http.api.requests import PartnerQuery, answer, authorised, query_of, simple_body_of
from liveserver.http.container import services
from liveserver.protocol import messages, resources

if TYPE_CHECKING:
    from starlette.requests import Request


async def read(request: Request) -> Response:
    """How far a takedown has got."""
    await authorised(request, "publish")
    takedown = await services(request).takedowns.find(request.path_params["slug"], request.path_params["id"])
    return answer(request, resources.takedown_object(takedown), public=False)


async def confirm(request: Request) -> Response:
    """A viewer says that it doesn't show an entry any more."""
    given = await simple_body_of(request, GoneInput, most=messages.HEARD_MAX)
    parts, slug = services(request), request.path_params["slug"]
    partner = parts.partners.known(query_of(request, PartnerQuery).partner)
    parts.takedowns.posted(slug, given.id, given.viewer, had=given.had, partner=partner.id if partner else "")
    return Response(status_code=204)
