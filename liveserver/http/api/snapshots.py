"""The API's `snapshot`, from which a page starts, and `changes`, which clients poll if they can't open a stream."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from liveserver.domain.change import EntryChanged, Position
from liveserver.http.api.openapi import schemas
from liveserver.http.api.openapi.operation import Operation
from liveserver.http.api.requests.queries import ChangesQuery, SnapshotQuery, query_of
from liveserver.http.cached_answers import cached_answer_for, headers_for, public_representation
from liveserver.http.container import services
from liveserver.http.responses.page_cache import CachedPage
from liveserver.http.responses.prebuilt import CROWD_CACHE, POLL_CACHE, respond
from liveserver.http.route_params import SLUG
from liveserver.protocol import json_encoding, messages
from liveserver.rendering.cooperative import offloaded

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from liveserver.access.partner_admission import Admission
    from liveserver.http.container import Container
    from liveserver.http.responses.representation import Representation


async def snapshot(request: Request) -> Response:
    """Answer with a snapshot: the newest entries, the pinned entries and the key events, all as of one position."""
    query = query_of(request, SnapshotQuery)
    parts, slug = services(request), request.path_params["slug"]
    admitted = await parts.partners.admit(slug, query.partner, request.scope["headers"])
    make = partial(_snapshot, parts, admitted, query.limit)
    cached = await cached_answer_for(request, admitted, ("snapshot", query.limit), make)
    return respond(request.scope, cached.representation)


async def _snapshot(parts: Container, admitted: Admission, limit: int) -> CachedPage:
    snapshot = await parts.history.snapshot(admitted.topic, limit=limit)
    content = await parts.presenter.snapshot(snapshot)

    def encode() -> Representation:
        return public_representation(json_encoding.dumps(content), headers_for(admitted, CROWD_CACHE))

    representation = await offloaded(encode, [*snapshot.pinned, *snapshot.entries])
    return CachedPage.of(snapshot.liveblog, representation)


async def changes(request: Request) -> Response:
    """Answer with the changes after a position, or with a reset, which tells the client to begin with a new snapshot.

    The answer is a reset if the text isn't a position, if the position has another epoch than the live blog, or if the
    position's seq is higher than the live blog's.
    """
    query = query_of(request, ChangesQuery)
    parts, slug = services(request), request.path_params["slug"]
    after = Position.parse(query.after)
    # All texts that aren't a position get the same answer, so they share one variant.
    variant = ("changes", str(after) if after else None, query.limit)
    admitted = await parts.partners.admit(slug, query.partner, request.scope["headers"])
    cached = await cached_answer_for(request, admitted, variant, partial(_changes, parts, admitted, after, query.limit))
    return respond(request.scope, cached.representation)


async def _changes(parts: Container, admitted: Admission, after: Position | None, limit: int) -> CachedPage:
    changes, notices = await parts.history.changes(admitted.topic, after.seq if after else 0, limit=limit)
    current = Position(changes.liveblog.epoch, changes.liveblog.seq)
    headers = headers_for(admitted, POLL_CACHE)
    if after is None or after.epoch != current.epoch or after.seq > current.seq:
        return CachedPage(current, public_representation(messages.changes_reset(current), headers))
    frames = await parts.presenter.frames(changes)
    reached = frames[-1].position if changes.more else current
    events = [messages.gone_message(notice.id, within=notice.within) for notice in notices]
    events += [frame.message for frame in frames]

    def encode() -> Representation:
        return public_representation(messages.changes_object(reached, events, more=changes.more), headers)

    entries = [change.entry for change in changes.items if isinstance(change, EntryChanged)]
    return CachedPage(current, await offloaded(encode, entries))


OPERATIONS = (
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/snapshot",
        endpoint=snapshot,
        tag="Reading",
        summary="What a page starts from",
        answers={200: ("Everything as of one moment", schemas.SnapshotObject)},
        problems=(403, 404, 422, 503),
        description="The newest entries, the pinned ones and the key events; a stream goes on from its position.",
        query=SnapshotQuery,
        headers=("If-None-Match",),
    ),
    Operation(
        method="GET",
        path=f"/liveblogs/{SLUG}/changes",
        endpoint=changes,
        tag="Reading",
        summary="What changed since a position",
        answers={200: ("The stream’s messages, or a reset", (schemas.ChangesObject, schemas.ChangesReset))},
        problems=(403, 404, 422, 503),
        description="Where no stream gets through, and for what was missed. Ask again while `more` is true.",
        query=ChangesQuery,
        headers=("If-None-Match",),
    ),
)
