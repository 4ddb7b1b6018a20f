"""The sender of a request: the requester for the fair queue, and whether the request came to the desk's API.

Here are also reads of the store that wait for their turn in the queue (`http/fair_queue.py`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from liveserver.domain.topic import Topic
from liveserver.http.fair_queue import UNREAD_MOST, refuse_unread
from liveserver.http.queue_line import Requester
from liveserver.realtime.transport.scope_extension import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Hashable

    from starlette.requests import Request
    from starlette.types import Scope

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.http.container import Container


DESK = "liveserver.desk"
"""The key of the `DeskActor` in a request's scope. Only the scopes of requests to the desk's API have this key."""


def is_at_desk(request: Request) -> bool:
    """Return True if the request came to the desk's API."""
    return DESK in request.scope


def requester_of(scope: Scope, otherwise: Hashable = None) -> Requester:
    """Return the requester of a request without an API key. All clients of one network prefix share one line.

    `otherwise`: the key of the requester's line if the request isn't limited by address, and so has no prefix.
    Callers pass the thing that the request asks for, such as a topic. In this way, many requests for one live blog
    can't delay requests for another live blog.
    """
    parts: Container = scope["state"]["services"]
    client = scope.get("client")
    prefix = parts.limits.prefix_of(client)
    line = otherwise if prefix is None else prefix
    address = client[0] if client else None
    extension = scope.get("extensions", {}).get(EXTENSION, {})
    requester = Requester(line, address=address, crowd=prefix is None)
    if gone := extension.get("gone"):
        requester = requester._replace(gone=gone)
    if prefix is not None and (unread := extension.get("unread")):
        requester = requester._replace(unread=partial(unread, prefix))
    return requester


def requester_with(scope: Scope, ref: str) -> Requester:
    """Return the requester of a request with an API key. Each key has one line for all addresses that use the key.

    The unread bytes of the answer count for the key's line, and not for the line of the client's address. So other
    clients at the same address can't delay an editor.
    """
    line = _line_of(ref)
    requester = requester_of(scope)._replace(line=line, crowd=False)
    extension = scope.get("extensions", {}).get(EXTENSION, {})
    if unread := extension.get("unread"):
        extension["owner"] = line
        requester = requester._replace(unread=partial(unread, line))
    return requester


def claim_connection(scope: Scope, ref: str) -> None:
    """Count a connection for the request's API key, and not for the client's address, until the body is received.

    If the server has too many connections, it may close a connection on which a body is still arriving. It chooses the
    API key or address with the most such connections, and closes one connection of this key or address. So other
    clients at an editor's address can't cause the end of the editor's upload.
    """
    if claim := scope.get("extensions", {}).get(EXTENSION, {}).get("claim"):
        claim(_line_of(ref))


def _line_of(ref: str) -> Hashable:
    return ("principal", ref)


def must_read(scope: Scope) -> None:
    """Raise Busy if all clients of the request's network prefix together have `UNREAD_MOST` unread bytes or more.

    Never raises if requests aren't limited by address.
    """
    requester = requester_of(scope)
    if requester.unread() >= UNREAD_MOST:
        refuse_unread(requester)


async def liveblog_of(scope: Scope, slug: str) -> Liveblog:
    """Return a live blog, read from the store when the request has its turn in the fair queue.

    Raises NotFound, StoreUnavailable, and the errors of `FairQueue.run`: Busy and ClientGone.
    """
    parts: Container = scope["state"]["services"]
    topic = Topic(slug)
    return await parts.store_queue.run((topic,), partial(parts.store.liveblogs.find, slug), requester_of(scope, topic))


async def published_of(scope: Scope, slug: str, entry_id: str) -> tuple[Liveblog, Entry]:
    """Return a live blog and one of its published entries, read from the store when the request has its turn.

    Raises NotFound if the live blog or the published entry doesn't exist. Raises Gone if the entry was published and
    then deleted. Also raises StoreUnavailable, and the errors of `FairQueue.run`: Busy and ClientGone.
    """
    parts: Container = scope["state"]["services"]
    topic = Topic(slug)
    return await parts.store_queue.run(
        (topic, entry_id), partial(parts.store.entries.find_published, slug, entry_id), requester_of(scope, topic)
    )
