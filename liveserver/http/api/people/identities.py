"""The desk's `/identities`: the user who asks, as OpenID providers know them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.access.people.sign_in import check_confirmed
from liveserver.access.people.ways import provider_name
from liveserver.domain.ids import now
from liveserver.http.api.openapi import people_schemas as schemas
from liveserver.http.api.openapi.operation import Operation
from liveserver.http.api.requests.answers import answer
from liveserver.http.api.requests.authorisation import desk_actor_of, signed_in
from liveserver.http.container import services
from liveserver.http.route_params import IDENTITY_ID
from liveserver.protocol.people import identity_object

if TYPE_CHECKING:
    from starlette.requests import Request


async def listing(request: Request) -> Response:
    """Answer with all identities of the user who asks."""
    parts = services(request)
    identities = await parts.store.credentials.identities(desk_actor_of(request).session.user_id)
    items = [identity_object(each, provider_name(each.issuer, parts.provider)) for each in identities]
    return answer(request, {"items": items}, public=False)


async def remove(request: Request) -> Response:
    """Remove one identity of the user who asks, but not the last way to sign in. Sessions go on.

    Raises NotConfirmed if the user's last proof of identity is older than `CONFIRMED_FOR`.
    """
    actor, parts = signed_in(request), services(request)
    check_confirmed(desk_actor_of(request))
    identity_id = request.path_params["identity_id"]
    await parts.store.credentials.remove_identity(actor.principal, identity_id, now(), offered=parts.offered_ways)
    return Response(status_code=204)


OPERATIONS = (
    Operation(
        method="GET",
        path="/identities",
        endpoint=listing,
        tag="Session",
        summary="By which accounts elsewhere can I sign in?",
        answers={200: ("Oldest first", schemas.IdentityList)},
        problems=(401, 503),
    ),
    Operation(
        method="DELETE",
        path=f"/identities/{IDENTITY_ID}",
        endpoint=remove,
        tag="Session",
        summary="Remove such an account",
        answers={204: ("It can’t be used to sign in any more; sessions go on", None)},
        problems=(401, 403, 404, 409, 503),
        description="The last way to sign in can’t be removed: 409.",
        confirmed=True,
    ),
)
