"""The groups of queries about the audience: its reach by the hour, links to the page of reach, and takedowns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.store.groups.queries import QueryGroup, Read, Write
from liveserver.store.repositories import reach, takedowns
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from liveserver.domain.people.principal import Principal
    from liveserver.store.repositories.reach import ReachLink


class Reach(QueryGroup):
    """The queries of audience statistics by the hour, and of links to the page that shows these statistics."""

    add = Write(reach.add)
    """Add a node's views and watch time to the stored numbers, and keep the higher of the node's and the stored peak.

    The argument has pairs of a live blog's slug and a `ReachHour`. A pair is skipped if no live blog has the slug.
    """

    find = Read(reach.find)
    """Return the reach of a live blog by partner and hour, ordered by partner, then by hour.

    Only hours that begin at `since` or later, and before `until`, are returned. `partner`: the id of the only partner
    whose hours are returned, "" for hours without a partner, None for all hours. Raises NotFound if there is no such
    live blog.
    """

    async def add_link(self, digest: str, link: ReachLink, by: Principal) -> None:
        """Insert a link under the hash of its secret. Raises NotFound if there is no such live blog.

        Also deletes all expired links, and all links of this live blog except the LINKS_MAX newest. Raises Unauthorized
        or Forbidden if the principal `by` may not manage the live blog now.
        """
        fields = {"liveblog": link.slug, "expires_at": link.expires_at.isoformat()}
        await self._commit(
            self._database.write(reach.add_link, digest, link, by),
            lambda _: audit_log.done("reach_link.created", **fields),
        )

    find_link = Read(reach.find_link)


class Takedowns(QueryGroup):
    """The queries of takedowns. A takedown counts the viewers that have confirmed that a deleted entry is gone."""

    keep = Write(takedowns.keep)
    """Insert a takedown. If the entry has a takedown already, replace only the counts and the end time."""

    find = Read(takedowns.find)
    """Return the takedown of an entry, as it was last stored. Raises NotFound if there is no takedown."""
