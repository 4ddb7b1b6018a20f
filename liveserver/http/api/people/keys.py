"""The desk's `/keys`: API keys are made and revoked by owners. A key can't make another key."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.access.api_keys import new_key
from liveserver.domain.errors import FieldError, InvalidInput, NotFound
from liveserver.domain.ids import now
from liveserver.domain.inputs.people import KeyInput
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import people_schemas as schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer, page_headers
from liveserver.http.api.requests.authorisation import authorised, confirmed
from liveserver.http.api.requests.queries import PageQuery, query_of
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.container import services
from liveserver.http.route_params import KEY_ID
from liveserver.protocol.json_encoding import timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request

    from liveserver.protocol.json_encoding import JSON
    from liveserver.store import ApiKey


async def listing(request: Request) -> Response:
    """Answer with a page of the API keys, newest first. Revoked keys are among them."""
    await authorised(request, Verb.ADMINISTER)
    query = query_of(request, PageQuery)
    keys, next_cursor = await services(request).store.keys.page(limit=query.limit, cursor=query.cursor)
    content = {"items": [_object(key) for key in keys], "next_cursor": next_cursor}
    return answer(request, content, public=False, headers=page_headers(request, query, next_cursor))


async def create(request: Request) -> Response:
    """Make an API key, and answer with it. Only this answer contains the key's secret."""
    actor = await confirmed(request, Verb.ADMINISTER)
    body = await body_of(request, KeyInput, actor)
    expires_at = None if body.expires_in_days is None else now() + timedelta(days=body.expires_in_days)
    stored, shown = new_key(body.name, body.scopes, expires_at, body.liveblogs)
    try:
        await services(request).store.keys.add(stored, actor.principal)
    except NotFound as error:
        raise InvalidInput([FieldError("/liveblogs", str(error))]) from None
    return answer(request, {**_object(stored), "key": shown}, status=201, public=False)


async def revoke(request: Request) -> Response:
    """Revoke an API key, at once and permanently."""
    actor = await confirmed(request, Verb.ADMINISTER)
    await services(request).store.keys.revoke(request.path_params["key_id"], now(), actor.principal)
    return Response(status_code=204)


def _object(key: ApiKey) -> JSON:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "liveblogs": None if key.liveblogs is None else sorted(key.liveblogs),
        "created_at": timestamp(key.created_at),
        "expires_at": _moment(key.expires_at),
        "revoked_at": _moment(key.revoked_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)


OPERATIONS = (
    Operation(
        method="GET",
        path="/keys",
        endpoint=listing,
        tag="Keys and audit",
        summary="List API keys, newest first",
        answers={200: ("A page, without secrets; `Link` names the next", schemas.KeyList)},
        problems=(401, 403, 422, 503),
        verb=Verb.ADMINISTER,
        query=PageQuery,
    ),
    Operation(
        method="POST",
        path="/keys",
        endpoint=create,
        tag="Keys and audit",
        summary="Make an API key",
        answers={201: ("`key` is shown this once", schemas.NewKeyObject)},
        problems=WRITING,
        verb=Verb.ADMINISTER,
        body=KeyInput,
        example={"name": "Agence", "scopes": ["publish"], "liveblogs": ["grandes-marees"], "expires_in_days": 365},
        confirmed=True,
    ),
    Operation(
        method="DELETE",
        path=f"/keys/{KEY_ID}",
        endpoint=revoke,
        tag="Keys and audit",
        summary="Revoke an API key",
        answers={204: ("It is void at once, and for good", None)},
        problems=(401, 403, 404, 503),
        verb=Verb.ADMINISTER,
        confirmed=True,
    ),
)
