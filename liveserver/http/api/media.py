"""`/api/v1/media`"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.inputs.bodies import MediaPatch
from liveserver.http.api.requests import (
    PageQuery,
    answer,
    authorised,
    body_of,
    confirm,
    page_headers,
    query_of,
    version_of,
)
from liveserver.http.api.uploads import upload_of
from liveserver.http.container import services
from liveserver.http.responses.entity_tags import edition_tag

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.domain.media import Media


async def create(request: Request) -> Response:
    """Take a picture in."""
    actor = await authorised(request, "publish", shared=True)
    parts = services(request)
    # Before anything of it is read.
    await parts.library.check_room(actor.key_id)
    async with upload_of(request, actor) as upload:
        await confirm(request, actor)
        media = await parts.library.add(
            upload.file, upload.given, actor=actor.name, owner=actor.key_id, key_id=actor.key_id
        )
    return _one(request, media, status=201, headers={"Location": f"{parts.settings.base_url}/api/v1/media/{media.id}"})


async def listing(request: Request) -> Response:
    """The pictures, newest first."""
    await authorised(request, "publish", shared=True)
    query = query_of(request, PageQuery)
    parts = services(request)
    found, next_cursor = await parts.store.media_page(limit=query.limit, cursor=query.cursor)
    content = {"items": [parts.presenter.media(media) for media in found], "next_cursor": next_cursor}
    return answer(request, content, public=False, headers=page_headers(request, query, next_cursor))


async def read(request: Request) -> Response:
    """One picture."""
    await authorised(request, "publish", shared=True)
    return _one(request, await services(request).store.media(request.path_params["id"]))


async def edit(request: Request) -> Response:
    """Change a picture's words. Entries that have it keep those they were published with."""
    actor = await authorised(request, "publish")
    version = version_of(request, required=True)
    patch = await body_of(request, MediaPatch, actor)
    return _one(request, await services(request).library.edit(request.path_params["id"], patch, version=version))


async def delete(request: Request) -> Response:
    """Take a picture away, out of every entry that has it."""
    await authorised(request, "publish")
    version = version_of(request, required=False)
    await services(request).library.delete(request.path_params["id"], version=version)
    return Response(status_code=204)


def _one(request: Request, media: Media, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = services(request).presenter.media(media)
    return answer(request, content, status=status, etag=edition_tag(media.edition), public=False, headers=headers)
