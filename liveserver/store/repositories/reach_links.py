"""The queries of links to the page of a live blog's reach. The store has no link's secret, only the secret's hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, insert, select

from liveserver.store import tables
from liveserver.store.repositories import liveblogs

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

_t = tables.reach_links
_l = tables.liveblogs

LINKS_MAX = 100
"""The greatest number of links to one live blog's reach. When one more is inserted, the oldest is deleted."""

_FIND = (
    select(_l.c.slug, _t.c.key_id, _t.c.created_at, _t.c.expires_at)
    .join(_l, _l.c.id == _t.c.liveblog_id)
    .where(_t.c.digest == bindparam("digest"))
)


class ReachLink(NamedTuple):
    """A link to the page of a live blog's reach, with the API key that made the link, and the link's expiry."""

    slug: str
    key_id: str
    """The id of the API key that made the link. The link is good only as long as this key is."""
    created_at: datetime
    expires_at: datetime


def add(connection: Connection, digest: str, link: ReachLink) -> None:
    """Insert a link under the hash of its secret. Raises NotFound if there is no such live blog.

    Also deletes all expired links, and the live blog's oldest ones if it has more than LINKS_MAX.
    """
    # The live blog's row is locked: otherwise two transactions at once would each find room for one more link.
    liveblog_id, _ = liveblogs.find(connection, link.slug, lock=True)
    connection.execute(delete(_t).where(_t.c.expires_at <= link.created_at))
    values = {"liveblog_id": liveblog_id, "key_id": link.key_id}
    values |= {"created_at": link.created_at, "expires_at": link.expires_at}
    connection.execute(insert(_t).values(digest=digest, **values))
    newest = select(_t.c.digest).where(_t.c.liveblog_id == liveblog_id)
    newest = newest.order_by(_t.c.created_at.desc(), _t.c.digest).limit(LINKS_MAX)
    connection.execute(delete(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.digest.not_in(newest)))


def find(connection: Connection, digest: str) -> ReachLink | None:
    """Return the link whose secret has this hash, even if the link has expired. None if there is no such link."""
    row = connection.execute(_FIND, {"digest": digest}).one_or_none()
    return None if row is None else ReachLink(*row)
