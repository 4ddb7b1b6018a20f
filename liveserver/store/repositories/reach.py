"""The queries of reach, and of the links to its page.

Reach is views and watch time by live blog, partner and hour. No data of single viewers are stored. The store has
a hash of a link's secret, never the secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, case, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from liveserver.domain.audience import ReachHour
from liveserver.domain.people.rights import Verb
from liveserver.store import tables
from liveserver.store.repositories import liveblogs
from liveserver.store.repositories.people import acts, permissions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from liveserver.domain.people.principal import Principal

_t = tables.reach
_links = tables.reach_links
_blogs = tables.liveblogs

LINKS_MAX = 100
"""The greatest number of links to one live blog's reach. When one more is inserted, the oldest is deleted."""

_FIND_LINK = (
    select(_blogs.c.slug, _links.c.principal, _links.c.created_at, _links.c.expires_at)
    .join(_blogs, _blogs.c.id == _links.c.liveblog_id)
    .where(_links.c.digest == bindparam("digest"))
)


class ReachLink(NamedTuple):
    """A link to the page of a live blog's reach: who made it, when, and when it expires."""

    slug: str
    principal: str
    """The user or API key that made the link (`Principal.ref`). The link is valid only while this principal may
    manage the live blog."""
    created_at: datetime
    expires_at: datetime


def add(connection: Connection, counts: Sequence[tuple[str, ReachHour]]) -> None:
    """Add a node's counts to the stored counts. `counts`: pairs of a live blog's slug, and its counts in an hour.

    The peak isn't added: the store keeps the higher of the node's peak and the stored peak. A pair is skipped if no
    live blog has the slug.
    """
    query = select(_blogs.c.slug, _blogs.c.id).where(_blogs.c.slug.in_({slug for slug, _ in counts}))
    ids: dict[str, int] = {row.slug: row.id for row in connection.execute(query)}
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    # Sorted, since two processes that write the same rows in different orders could wait for each other (deadlock).
    rows = sorted((ids[slug], hour) for slug, hour in counts if slug in ids)
    for liveblog_id, hour in rows:
        statement = dialect.insert(_t).values(liveblog_id=liveblog_id, **hour._asdict())
        new = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[_t.c.liveblog_id, _t.c.partner, _t.c.hour],
                set_={
                    "views": _t.c.views + new.views,
                    "seconds": _t.c.seconds + new.seconds,
                    "peak": case((new.peak > _t.c.peak, new.peak), else_=_t.c.peak),
                },
            )
        )


def find(
    connection: Connection, slug: str, since: datetime, until: datetime, *, partner: str | None = None
) -> list[ReachHour]:
    """Return the reach of a live blog by the hour, ordered by partner, then by hour. Raises NotFound.

    Returns the hours that begin at `since` or later, and before `until`. `partner`: only the hours of this partner
    (None: of all partners).
    """
    liveblog_id, _ = liveblogs.find(connection, slug)
    query = select(_t).where(_t.c.liveblog_id == liveblog_id, _t.c.hour >= since, _t.c.hour < until)
    if partner is not None:
        if "\x00" in partner:
            # PostgreSQL has no text with a NUL.
            return []
        query = query.where(_t.c.partner == partner)
    rows = connection.execute(query.order_by(_t.c.partner, _t.c.hour)).mappings()
    return [ReachHour(**{name: row[name] for name in ReachHour._fields}) for row in rows]


def add_link(connection: Connection, digest: str, link: ReachLink, by: Principal) -> None:
    """Insert a link under the hash of its secret. Raises NotFound if there is no such live blog.

    Also deletes all expired links, and the live blog's oldest ones if it has more than LINKS_MAX. Raises Unauthorized
    or Forbidden if the principal `by` may not manage the live blog now.
    """
    permissions.confirm(connection, by, Verb.MANAGE, link.slug)
    # The live blog's row is locked: otherwise two transactions at once would each find room for one more link.
    liveblog_id, _ = liveblogs.find(connection, link.slug, lock=True)
    connection.execute(delete(_links).where(_links.c.expires_at <= link.created_at))
    values = {"liveblog_id": liveblog_id, "principal": link.principal}
    values |= {"created_at": link.created_at, "expires_at": link.expires_at}
    connection.execute(insert(_links).values(digest=digest, **values))
    newest = select(_links.c.digest).where(_links.c.liveblog_id == liveblog_id)
    newest = newest.order_by(_links.c.created_at.desc(), _links.c.digest).limit(LINKS_MAX)
    connection.execute(delete(_links).where(_links.c.liveblog_id == liveblog_id, _links.c.digest.not_in(newest)))
    expires_at = link.expires_at.isoformat()
    acts.record(connection, by, "reach_link.created", link.created_at, liveblog=link.slug, expires_at=expires_at)


def find_link(connection: Connection, digest: str) -> ReachLink | None:
    """Return the link whose secret has this hash, even if the link has expired. None if there is no such link."""
    row = connection.execute(_FIND_LINK, {"digest": digest}).one_or_none()
    return None if row is None else ReachLink(*row)
