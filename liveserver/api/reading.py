"""`snapshot` and `changes`: what a page starts from, and the stream for those who can only poll."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver import wire
from liveserver.api.requests import ChangesQuery, SnapshotQuery, answer, query_of
from liveserver.model import Position
from liveserver.services import services

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def snapshot(request: Request) -> Response:
    """What a page starts from."""
    query = query_of(request, SnapshotQuery)
    parts = services(request)
    found = await parts.store.snapshot(request.path_params["slug"], limit=query.limit)
    return answer(request, parts.presenter.snapshot(found))


async def changes(request: Request) -> Response:
    """What changed since a position."""
    query = query_of(request, ChangesQuery)
    parts = services(request)
    after = Position.parse(query.after)
    found = await parts.store.changes(request.path_params["slug"], after.seq if after else 0, limit=query.limit)
    here = Position(found.liveblog.epoch, found.liveblog.seq)
    if after is None or after.epoch != here.epoch or after.seq > here.seq:
        return answer(request, wire.changes_reset(here))
    frames = parts.history.frames(found)
    reached = frames[-1].position if found.more else here
    return answer(request, wire.changes_object(reached, [frame.message for frame in frames], more=found.more))
