"""`snapshot` and `changes`: what a page starts from, and the stream for those who can only poll."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from liveserver.domain.change import EntryChanged, Position
from liveserver.http.api.requests import (
    ChangesQuery,
    SnapshotQuery,
    headers_for,
    public_representation,
    query_of,
    rendition_for,
)
from liveserver.http.container import services
from liveserver.http.responses.page_cache import CachedPage
from liveserver.http.responses.prebuilt import CROWD_CACHE, POLL_CACHE, respond
from liveserver.protocol import encoding, messages
from liveserver.rendering.cooperative import offloaded

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.partner_admission import Admission
    from liveserver.http.container import Container
    from liveserver.http.responses.representation import Representation


async def snapshot(request: Request) -> Response:
    """What a page starts from."""
    query = query_of(request, SnapshotQuery)
    parts, slug = services(request), request.path_params["slug"]
    admitted = await parts.partners.admit(slug, query.partner, request.scope["headers"])
    make = partial(_snapshot, parts, admitted, query.limit)
    cached = await rendition_for(request, admitted, ("snapshot", query.limit), make)
    return respond(request.scope, cached.representation)


async def _snapshot(parts: Container, admitted: Admission, limit: int) -> CachedPage:
    found = await parts.history.snapshot(admitted.topic, limit=limit)
    content = await parts.presenter.snapshot(found)

    def encode() -> Representation:
        return public_representation(encoding.dumps(content), headers_for(admitted, CROWD_CACHE))

    representation = await offloaded(encode, [*found.pinned, *found.entries])
    return CachedPage(Position(found.liveblog.epoch, found.liveblog.seq), representation)


async def changes(request: Request) -> Response:
    """What changed since a position."""
    query = query_of(request, ChangesQuery)
    parts, slug = services(request), request.path_params["slug"]
    after = Position.parse(query.after)
    # Whatever is no position at all has the same answer.
    variant = ("changes", str(after) if after else None, query.limit)
    admitted = await parts.partners.admit(slug, query.partner, request.scope["headers"])
    cached = await rendition_for(request, admitted, variant, partial(_changes, parts, admitted, after, query.limit))
    return respond(request.scope, cached.representation)


async def _changes(parts: Container, admitted: Admission, after: Position | None, limit: int) -> CachedPage:
    found, withdrawn = await parts.history.changes(admitted.topic, after.seq if after else 0, limit=limit)
    here = Position(found.liveblog.epoch, found.liveblog.seq)
    headers = headers_for(admitted, POLL_CACHE)
    if after is None or after.epoch != here.epoch or after.seq > here.seq:
        return CachedPage(here, public_representation(messages.changes_reset(here), headers))
    frames = await parts.presenter.frames(found)
    reached = frames[-1].position if found.more else here
    events = [messages.withdrawal_message(gone.id, within=gone.within) for gone in withdrawn]
    events += [frame.message for frame in frames]

    def encode() -> Representation:
        return public_representation(messages.changes_object(reached, events, more=found.more), headers)

    shown = [change.entry for change in found.items if isinstance(change, EntryChanged)]
    return CachedPage(here, await offloaded(encode, shown))
