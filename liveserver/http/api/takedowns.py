"""The API's takedowns, `/api/v1/liveblogs/{slug}/takedowns`, and viewers' confirmations, `…/gone`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.inputs.models import GoneInput
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import schemas
from liveserver.http.api.openapi.operation import Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import authorised
from liveserver.http.api.requests.queries import PartnerQuery, query_of
from liveserver.http.api.requests.request_body import simple_body_of
from liveserver.http.container import services
from liveserver.http.route_params import ID, SLUG
from liveserver.protocol import messages, resources

if TYPE_CHECKING:
    from starlette.requests import Request


async def read(request: Request) -> Response:
    """Answer with the state of a takedown: how many viewers were asked to confirm, and how many have confirmed."""
    await authorised(request, Verb.SEE)
    takedown = await services(request).takedowns.find(request.path_params["slug"], request.path_params["id"])
    return answer(request, resources.takedown_object(takedown), public=False)


async def confirm(request: Request) -> Response:
    """Count a viewer's confirmation that the viewer's page doesn't show a deleted entry any more."""
    body = await simple_body_of(request, GoneInput, limit=messages.HEARD_MAX)
    parts, slug = services(request), request.path_params["slug"]
    partner = parts.partners.known(query_of(request, PartnerQuery).partner)
    parts.takedowns.posted(slug, body.id, body.viewer, had=body.had, partner=partner.id if partner else "")
    return Response(status_code=204)


OPERATIONS = (
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/takedowns/{ID}",
        endpoint=read,
        tag="Entries",
        summary="How many viewers have confirmed that an entry is gone",
        answers={200: ("As it stands; it goes on for a minute at most", schemas.TakedownObject)},
        problems=(401, 403, 404, 503),
        description="Of an entry that was deleted, withdrawn or erased with `confirm`. `{id}` is the entry’s.",
        verb=Verb.SEE,
    ),
    Operation(
        method="POST",
        path=f"/liveblogs/{SLUG}/gone",
        endpoint=confirm,
        tag="Reading",
        summary="Confirm that an entry is gone",
        answers={204: ("Counted, if it was asked for", None)},
        problems=(404, 413, 422, 503),
        description="For viewers that can’t say so on their WebSocket, once each: a delete message with `confirm` asks "
        "for it, at a random moment within so many milliseconds.",
        query=PartnerQuery,
        body=GoneInput,
        example={"id": "0192c0de-0000-7000-8000-000000000000", "had": True, "viewer": "c0ffee"},
    ),
)
