"""The API's pictures: `/api/v1/media`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.inputs.models import MediaInput, MediaPatch
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import schemas
from liveserver.http.api.openapi.operation import WRITING, Operation
from liveserver.http.api.requests.answers import answer, page_headers
from liveserver.http.api.requests.authorisation import api_root, authorised, confirm
from liveserver.http.api.requests.preconditions import idempotency_key_of, version_of
from liveserver.http.api.requests.queries import PageQuery, UploadQuery, query_of
from liveserver.http.api.requests.request_body import body_of
from liveserver.http.api.uploads import upload_of
from liveserver.http.container import services
from liveserver.http.responses.entity_tags import version_tag
from liveserver.http.route_params import ID

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.domain.media import Media


async def create(request: Request) -> Response:
    """Receive a picture, store it, and answer with its description."""
    actor = await authorised(request, Verb.WRITE, anywhere=True)
    key = idempotency_key_of(request)
    parts = services(request)
    # This is checked before any byte of the picture is read.
    await parts.library.check_room(actor.ref)
    async with upload_of(request, actor) as upload:
        await confirm(request, actor)
        media = await parts.library.add(upload.file, upload.words, by=actor.principal, idempotency_key=key)
    return _media_answer(request, media, status=201, headers={"Location": f"{api_root(request)}/media/{media.id}"})


async def listing(request: Request) -> Response:
    """Answer with a page of the pictures, newest first."""
    await authorised(request, Verb.SEE, anywhere=True)
    query = query_of(request, PageQuery)
    parts = services(request)
    pictures, next_cursor = await parts.store.media.page(limit=query.limit, cursor=query.cursor)
    content = {"items": [parts.presenter.media(media) for media in pictures], "next_cursor": next_cursor}
    return answer(request, content, public=False, headers=page_headers(request, query, next_cursor))


async def read(request: Request) -> Response:
    """Answer with the description of one picture: its files, its alternative text, its credit."""
    await authorised(request, Verb.SEE, anywhere=True)
    return _media_answer(request, await services(request).store.media.find(request.path_params["id"]))


async def edit(request: Request) -> Response:
    """Change a picture's alternative text or credit, and answer with the picture.

    Entries that already show the picture keep its earlier texts.
    """
    actor = await authorised(request, Verb.WRITE)
    version = version_of(request, required=True)
    patch = await body_of(request, MediaPatch, actor)
    return _media_answer(
        request,
        await services(request).library.edit(request.path_params["id"], patch, actor.principal, version=version),
    )


async def delete(request: Request) -> Response:
    """Delete a picture, and remove it from every entry that shows it."""
    actor = await authorised(request, Verb.WRITE)
    version = version_of(request, required=False)
    await services(request).library.delete(request.path_params["id"], actor.principal, version=version)
    return Response(status_code=204)


def _media_answer(
    request: Request, media: Media, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    content = services(request).presenter.media(media)
    return answer(
        request, content, status=status, etag=version_tag(media.entity_version), public=False, headers=headers
    )


PICTURE = {"type": "string", "format": "binary"}
UPLOAD_FORM = {
    "type": "object",
    "required": ["file", "alt"],
    "properties": {"file": PICTURE, **MediaInput.model_json_schema()["properties"]},
}

OPERATIONS = (
    Operation(
        method="POST",
        path="/media",
        endpoint=create,
        tag="Pictures",
        summary="Send a picture",
        answers={201: ("Kept in every width; `html` puts it into an entry", schemas.MediaObject)},
        problems=(*WRITING, 410),
        description="JPEG, PNG, WebP, GIF (its first frame) or AVIF, in a form or as the body itself. It is decoded, "
        "turned upright and encoded anew: nothing of its metadata is kept, neither place nor camera. "
        "A request that is repeated with the same `Idempotency-Key` adds no second picture.",
        verb=Verb.WRITE,
        query=UploadQuery,
        content={"multipart/form-data": UPLOAD_FORM, "image/*": PICTURE},
        headers=("Idempotency-Key",),
    ),
    Operation(
        method="GET",
        path="/media",
        endpoint=listing,
        tag="Pictures",
        summary="List pictures, newest first",
        answers={200: ("A page; `Link` names the next", schemas.MediaList)},
        problems=(401, 403, 422, 503),
        verb=Verb.SEE,
        query=PageQuery,
        headers=("If-None-Match",),
    ),
    Operation(
        method="GET",
        path=f"/media/{ID}",
        endpoint=read,
        tag="Pictures",
        summary="Read what is known of a picture",
        answers={200: ("The picture; `ETag` is its version", schemas.MediaObject)},
        problems=(401, 403, 404, 410, 503),
        verb=Verb.SEE,
        headers=("If-None-Match",),
    ),
    Operation(
        method="PATCH",
        path=f"/media/{ID}",
        endpoint=edit,
        tag="Pictures",
        summary="Change a picture’s words",
        answers={200: ("As it is now", schemas.MediaObject)},
        problems=(*WRITING, 404, 410, 412, 428),
        description="Entries that have it already keep the words they were published with.",
        verb=Verb.WRITE,
        body=MediaPatch,
        example={"alt": "Le quai sous l’eau, à 9 h 40", "credit": "Photo : La rédaction"},
        headers=("If-Match",),
    ),
    Operation(
        method="DELETE",
        path=f"/media/{ID}",
        endpoint=delete,
        tag="Pictures",
        summary="Delete a picture",
        answers={204: ("Its files are gone, out of every entry that has it", None)},
        problems=(401, 403, 404, 410, 412, 422, 503),
        verb=Verb.WRITE,
        headers=("If-Match",),
    ),
)
