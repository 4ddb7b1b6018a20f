"""`snapshot` and `changes`: what a page starts from, and the stream for those who can only poll."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from liveserver import wire
from liveserver.api.requests import ChangesQuery, SnapshotQuery, public_representation, query_of
from liveserver.model import Position
from liveserver.renditions import Rendition
from liveserver.responding import CROWD_CACHE, POLL_CACHE, respond
from liveserver.services import services

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.services import Services


async def snapshot(request: Request) -> Response:
    """What a page starts from."""
    query = query_of(request, SnapshotQuery)
    parts, slug = services(request), request.path_params["slug"]
    make = partial(_snapshot, parts, slug, query.limit)
    rendition = await parts.renditions.get(slug, ("snapshot", query.limit), make)
    return respond(request.scope, rendition.representation)


async def _snapshot(parts: Services, slug: str, limit: int) -> Rendition:
    found = await parts.store.snapshot(slug, limit=limit)
    body = wire.dumps(parts.presenter.snapshot(found))
    return Rendition(Position(found.liveblog.epoch, found.liveblog.seq), public_representation(body, cache=CROWD_CACHE))


async def changes(request: Request) -> Response:
    """What changed since a position."""
    query = query_of(request, ChangesQuery)
    parts, slug = services(request), request.path_params["slug"]
    after = Position.parse(query.after)
    # Whatever is no position at all has the same answer.
    variant = ("changes", str(after) if after else None, query.limit)
    rendition = await parts.renditions.get(slug, variant, partial(_changes, parts, slug, after, query.limit))
    return respond(request.scope, rendition.representation)


async def _changes(parts: Services, slug: str, after: Position | None, limit: int) -> Rendition:
    found = await parts.store.changes(slug, after.seq if after else 0, limit=limit)
    here = Position(found.liveblog.epoch, found.liveblog.seq)
    if after is None or after.epoch != here.epoch or after.seq > here.seq:
        body = wire.changes_reset(here)
    else:
        frames = parts.history.frames(found)
        reached = frames[-1].position if found.more else here
        body = wire.changes_object(reached, [frame.message for frame in frames], more=found.more)
    return Rendition(here, public_representation(body, cache=POLL_CACHE))
