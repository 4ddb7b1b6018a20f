"""`/api/v1/liveblogs/{slug}/source`: the live blog of another server that this one follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.inputs.bodies import SourceInput
from liveserver.http.api.requests import answer, authorised, body_of
from liveserver.http.container import services
from liveserver.protocol import resources

if TYPE_CHECKING:
    from starlette.requests import Request


async def create(request: Request) -> Response:
    """Follow a live blog."""
    actor = await authorised(request, "manage")
    parts, slug = services(request), request.path_params["slug"]
    source = await parts.syndication.follow(slug, await body_of(request, SourceInput, actor))
    location = f"{parts.settings.base_url}/api/v1/liveblogs/{slug}/source"
    return answer(request, resources.source_object(source), status=201, public=False, headers={"Location": location})


async def read(request: Request) -> Response:
    """What is followed, and how that stands."""
    await authorised(request, "manage")
    source = await services(request).syndication.source(request.path_params["slug"])
    return answer(request, resources.source_object(source), public=False)


async def delete(request: Request) -> Response:
    """Follow it no more."""
    await authorised(request, "manage")
    await services(request).syndication.stop(request.path_params["slug"])
    return Response(status_code=204)
