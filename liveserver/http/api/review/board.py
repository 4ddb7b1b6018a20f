"""The desk's board: `/desk/api/v1/liveblogs/{slug}/board`, all entries of a live blog that aren't deleted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from liveserver.domain.entry import EntryStatus
from liveserver.domain.people.rights import Verb
from liveserver.http.api.openapi import work_schemas
from liveserver.http.api.openapi.operation import Operation
from liveserver.http.api.requests.answers import PRIVATE_CACHE, answer, page_headers
from liveserver.http.api.requests.authorisation import authorised
from liveserver.http.api.requests.queries import BoardQuery, query_of
from liveserver.http.container import services
from liveserver.http.requesters import requester_with
from liveserver.http.responses.entity_tags import still_holds
from liveserver.http.route_params import SLUG
from liveserver.protocol import json_encoding
from liveserver.rendering.cooperative import TimeSlice, offloaded
from liveserver.store.repositories.review.board import ON_BOARD, BoardFilter

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.http.container import Container


async def read(request: Request) -> Response:
    """Answer with a page of the board; with a 304 if the client has the board's present tag (`If-None-Match`).

    For a 304, only the tag is read, and no entries.
    """
    query = query_of(request, BoardQuery)
    actor = await authorised(request, Verb.SEE)
    parts, slug = services(request), request.path_params["slug"]
    state = await parts.store.liveblogs.board_tag(slug)
    tag = _tag(state, actor.ref)
    if still_holds(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers={"ETag": tag, "Cache-Control": PRIVATE_CACHE})
    statuses = tuple(EntryStatus(name) for name in query.status.split(",")) if query.status else ON_BOARD
    which = BoardFilter(statuses, query.q, actor.ref if query.mine else None)
    make = partial(_page, parts, slug, which, query)
    queue = parts.store_queue if query.q is None else parts.search_queue
    body, state, next_cursor = await queue.run(
        ("board", slug, which, query.limit, query.cursor), make, requester_with(request.scope, actor.ref)
    )
    headers = page_headers(request, query, next_cursor)
    return answer(request, body, etag=_tag(state, actor.ref), public=False, headers=headers)


async def _page(parts: Container, slug: str, which: BoardFilter, query: BoardQuery) -> tuple[bytes, str, str | None]:
    page = await parts.store.board.page(slug, which, limit=query.limit, cursor=query.cursor)
    items, time_slice = [], TimeSlice()
    for entry in page.items:
        work = parts.presenter.work(page.liveblog, entry, notes=page.notes.get(entry.id, 0))
        items.append(json_encoding.encoded(work))
        await time_slice.checkpoint()
    content: json_encoding.JSON = {
        "items": items,
        "counts": {status.value: count for status, count in page.counts.items()},
        "two_persons": page.liveblog.two_persons,
        "next_cursor": page.next_cursor,
    }
    return await offloaded(partial(json_encoding.dumps, content), page.items), page.state, page.next_cursor


def _tag(state: str, ref: str) -> str:
    """Return the board's entity tag for one user. Users have different tags, as the query `mine` depends on the user.

    `state`: the tag of the board in the store. `ref`: the user's `Principal.ref`.
    """
    return f'"{state}-{ref}"'


DESK_OPERATIONS = (
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/board",
        endpoint=read,
        tag="Entries",
        summary="All entries that aren’t deleted, for those who work on them",
        answers={200: ("A page, newest first; `Link` names the next", work_schemas.BoardObject)},
        problems=(401, 403, 404, 422, 503),
        description="`ETag` changes with every write of an entry or a note, also with those that readers don’t see.",
        verb=Verb.SEE,
        query=BoardQuery,
        headers=("If-None-Match",),
    ),
)
