"""Requests for what isn't there yet, as the works' turns know their askers (`http/fair_queue.py`)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from liveserver.domain.topic import Topic
from liveserver.http.fair_queue import UNREAD_MOST, Requester, refuse_unread
from liveserver.realtime.transport.scope_extension import EXTENSION

if TYPE_CHECKING:
    from collections.abc import Hashable

    from starlette.types import Scope

    from liveserver.domain.entry import Entry
    from liveserver.domain.liveblog import Liveblog
    from liveserver.http.container import Container


def requester_of(scope: Scope, otherwise: Hashable = None) -> Requester:
    """The asker that a request is from: the address by which limits count.

    `otherwise`: the line of those who aren't limited by address, best what they ask for, so that many who want one live
    blog don't hold up those who want another.
    """
    parts: Container = scope["state"]["services"]
    client = scope.get("client")
    prefix = parts.limits.prefix_of(client)
    line = otherwise if prefix is None else prefix
    address = client[0] if client else None
    extension = scope.get("extensions", {}).get(EXTENSION, {})
    requester = Requester(line, address=address)
    if gone := extension.get("gone"):
        requester = requester._replace(gone=gone)
    if prefix is not None and (unread := extension.get("unread")):
        requester = requester._replace(unread=partial(unread, prefix))
    return requester


def requester_with(scope: Scope, key_id: str) -> Requester:
    """The asker that a request with an API key is from: each key has a line, wherever it is used."""
    return requester_of(scope)._replace(line=("key", key_id))


def must_read(scope: Scope) -> None:
    """Raises Busy if the client's address has so much unread that it is sent nothing else that is read for it."""
    requester = requester_of(scope)
    if requester.unread() >= UNREAD_MOST:
        refuse_unread(requester)


async def liveblog_of(scope: Scope, slug: str) -> Liveblog:
    """The live blog as it stands, read when it is the asker's turn. Raises NotFound, and what `Turns.made` raises."""
    parts: Container = scope["state"]["services"]
    topic = Topic(slug)
    return await parts.turns.made((topic,), partial(parts.store.liveblogs.find, slug), requester_of(scope, topic))


async def published_of(scope: Scope, slug: str, entry_id: str) -> tuple[Liveblog, Entry]:
    """The same of an entry that readers see, and its live blog. Raises Gone, too."""
    parts: Container = scope["state"]["services"]
    topic = Topic(slug)
    return await parts.turns.made(
        (topic, entry_id), partial(parts.store.entries.find_published, slug, entry_id), requester_of(scope, topic)
    )
