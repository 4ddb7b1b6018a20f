"""The API's sources, `/api/v1/liveblogs/{slug}/source`: live blogs of other servers that our live blogs follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.inputs.models import SourceInput
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import api_root, authorised
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.route_params import SLUG
from liveserver.protocol import resources

if TYPE_CHECKING:
    from starlette.requests import Request


async def create(request: Request) -> Response:
    """Make a live blog follow a source, which is a live blog of another server, and answer with the source."""
    actor = await authorised(request, Verb.MANAGE)
    parts, slug = services(request), request.path_params["slug"]
    source = await parts.syndication.follow(slug, await body_of(request, SourceInput, actor), actor.principal)
    location = f"{api_root(request)}/liveblogs/{slug}/source"
    return answer(request, resources.source_object(source), status=201, public=False, headers={"Location": location})


async def read(request: Request) -> Response:
    """Answer with the source that a live blog follows, and with the state of the source."""
    await authorised(request, Verb.MANAGE)
    source = await services(request).syndication.source(request.path_params["slug"])
    return answer(request, resources.source_object(source), public=False)


async def delete(request: Request) -> Response:
    """Make the live blog stop following its source. The entries that were copied from the source stay."""
    actor = await authorised(request, Verb.MANAGE)
    await services(request).syndication.stop(request.path_params["slug"], actor.principal)
    return Response(status_code=204)


OPERATIONS = (
    Operation(
        method="POST",
        path=f"/liveblogs/{SLUG}/source",
        endpoint=create,
        tag="Syndication",
        summary="Follow a live blog of another server",
        answers={201: ("It will be followed within seconds; ask how it stands", schemas.SourceObject)},
        problems=(*WRITING, 404, 409),
        description="What is published, edited and deleted there is so here, with its attribution. "
        "The newsroom’s own entries stand among it.",
        verb=Verb.MANAGE,
        body=SourceInput,
        example={"url": "https://live.exemple.org/live/grandes-marees", "partner": "p_0a1b2c3d4e5f"},
    ),
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/source",
        endpoint=read,
        tag="Syndication",
        summary="What a live blog follows, and how that stands",
        answers={200: ("As it was seconds ago", schemas.SourceObject)},
        problems=(401, 403, 404, 503),
        verb=Verb.MANAGE,
    ),
    Operation(
        method="DELETE",
        path=f"/liveblogs/{SLUG}/source",
        endpoint=delete,
        tag="Syndication",
        summary="Stop following",
        answers={204: ("What was taken over stays, and is the newsroom’s to edit", None)},
        problems=(401, 403, 404, 503),
        verb=Verb.MANAGE,
    ),
)
