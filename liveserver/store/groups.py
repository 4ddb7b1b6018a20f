"""The queries of the store, in groups: `store.entries.create(…)`, `store.media.find(…)`.

A new query is a function in `repositories`, which takes the transaction's connection first, and a line here. Its
parameters are the function's; the contract that callers may rely on is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.store.queries import QueryGroup, Read, Write
from liveserver.store.repositories import (
    api_keys,
    entries,
    entry_queries,
    liveblogs,
    media,
    partners,
    past,
    reach,
    reach_links,
    sources,
    takedowns,
)
from liveserver.utils import audit_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from liveserver.domain.ids import Edition
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.partner import Partner
    from liveserver.domain.source import Source
    from liveserver.store.repositories.api_keys import ApiKey
    from liveserver.store.repositories.reach_links import ReachLink


class Liveblogs(QueryGroup):
    """Live blogs, and what pages, feeds and sitemaps show of them."""

    create = Write(liveblogs.create)
    """Insert a live blog, with version 1 and seq 0. Raises Conflict if the slug is taken."""

    async def find(self, slug: str) -> Liveblog:
        """Return the live blog as it stands."""
        return (await self._database.read(liveblogs.find, slug)).liveblog

    page = Read(liveblogs.page)
    """One page, newest created first, and the cursor of the next. Raises InvalidInput for a bad cursor."""

    edit = Write(liveblogs.edit)
    """Replace the live blog's own fields by the result of a function; return it, and the change that readers see.

    The function is called once, with the locked current state; it is pure, sets `updated_at`, and may raise. Slug,
    epoch, creation, version and seqs are the store's. If nothing else differs, nothing is written, and there is no
    change (None).
    """

    changed_since = Read(liveblogs.changed_since)
    """Live blogs with a change (of an entry, or of their own fields) since a moment, the last changed first."""

    numbered = Read(liveblogs.numbered)
    """Live blogs of a range of numbers: each has one, greater than those made before it, and keeps it."""

    highest_number = Read(liveblogs.highest_number)
    """The greatest number of a live blog; 0 if there is none."""

    snapshot = Read(entry_queries.snapshot)
    """The start of a page: published entries only; at most 10 pinned ones and 100 key events.

    `tags` and `moment` as for `Entries.page`.
    """

    feed = Read(entry_queries.feed)
    """The content of a feed: the newest published entries, and which of those that stood there are deleted."""


class Entries(QueryGroup):
    """Entries of a live blog: as they are, and as they were."""

    create = Write(entries.create)
    """Insert an entry, with version 1, and the next seq if it is published.

    With `idempotency`, the first request alone makes an entry; a repeated one gets that entry as it is now, marked
    `replayed`. Raises KeyReused if the key came with another request, and Gone if its entry was deleted since. A first
    request with a `refusal` makes no entry, but raises that: what was in order then may not be now. With `key_id`, an
    API key, raises Unauthorized or Forbidden unless it is good, and good for this live blog, at the moment of the
    writing.
    """

    find = Read(entries.find_in)
    """An entry of any status but deleted, and its live blog.

    Raises NotFound, Gone if the entry was deleted, and NeverSeen if that was before readers saw it.
    """

    find_published = Read(entry_queries.published)
    """An entry that readers see, and its live blog. Raises NotFound, and Gone if they saw it before it was deleted."""

    edit = Write(entries.edit)
    """Replace the entry by the result of a function; it takes a seq if it is then published.

    The function is called once, with the locked current state; it is pure, sets `updated_at`, and may raise. Id,
    creation, version and seq are the store's. If nothing else differs, nothing is written. Raises NotFound, Gone, and
    Conflict if a published entry would cease to be so. With `epoch`, VersionConflict in any other history.
    `key_id` as for `create`.
    """

    delete = Write(entries.remove)
    """Empty the entry, and keep its tombstone. Raises NotFound, Gone, and what `check` raises of the entry.

    With `epoch`, VersionConflict in any other history.
    """

    page = Read(entry_queries.page)
    """One page, by publication (else due time, else creation), then by id. Raises InvalidInput for a bad cursor.

    `tags`: only entries with one of these. `moment`: as it was then, at most an hour ago; published entries only, and
    none that is deleted by now.
    """

    around = Read(entry_queries.around)
    """A published entry with up to `after` newer and `before` older ones. Raises NotFound, and Gone if deleted."""

    revisions = Read(entries.revisions)
    """A page of the states that the entry had, oldest first, also if it was deleted, and the cursor of the next.

    Fewer than `limit`, where they are large. Raises NotFound, and InvalidInput for a bad cursor.
    """

    scheduled = Read(entry_queries.scheduled)
    """The scheduled entries of all live blogs, the next due first."""

    forget_idempotency = Write(entries.forget_idempotency)
    """Forget the idempotency keys of entries made before a moment; return how many there were."""


class Changes(QueryGroup):
    """Changes that readers see, in the order of their commits; now, and as of a moment at most an hour ago."""

    after = Read(entry_queries.changes)
    """What changed after a seq, with the live blog's epoch and seq as of the same moment."""

    after_as_of = Read(entry_queries.changes_then)
    """The same as of a moment; and the withdrawals: entries that were there then, and are deleted by now."""

    since = Read(past.pending)
    """What has happened to a live blog since a moment."""

    positions = Read(liveblogs.positions)
    """Epoch and seq of each of these live blogs that exists, in one query."""

    positions_as_of = Read(past.positions)
    """The position of each live blog that exists, as of a moment of its own."""


class Media(QueryGroup):
    """Pictures: their descriptions. The files are elsewhere."""

    add = Write(media.add)
    """Insert a picture, whose files are there already.

    With `key_id`, an API key, raises Unauthorized unless it is good at the moment of the writing.
    """

    find = Read(media.find)
    """The picture. Raises NotFound, and Gone if it was deleted."""

    page = Read(media.page)
    """One page of pictures, newest first, and the cursor of the next. Raises InvalidInput for a bad cursor."""

    deleted = Read(media.deleted)
    """Those of some digests that pictures had which were deleted."""

    size = Read(media.size)
    """The bytes of the largest files of all pictures that there are."""

    edit = Write(media.edit)
    """Replace the picture's words by the result of a function, as `Entries.edit` does. Raises NotFound, Gone."""

    delete = Write(media.remove)
    """Empty the picture, whose files are gone already. Raises NotFound, Gone, VersionConflict."""


class Partners(QueryGroup):
    """Partners: other sites that show live blogs, under rules. Each change is told to the audit log."""

    async def add(self, partner: Partner) -> Partner:
        """Insert a partner, with version 1. Raises Conflict where there are as many as there may be."""
        return await self._commit(
            self._database.write(partners.add, partner),
            lambda added: audit_log.done("partner.created", partner=added.id, name=added.name),
        )

    find = Read(partners.find)
    """The partner. Raises NotFound."""

    page = Read(partners.page)
    """One page of partners, newest first, and the cursor of the next. Raises InvalidInput for a bad cursor."""

    async def edit(self, partner_id: str, edit: Callable[[Partner], Partner]) -> Partner:
        """Replace the partner by the result of a function, as `Entries.edit` does. Raises NotFound."""
        before: list[Partner] = []

        def noted(old: Partner) -> Partner:
            before[:] = [old]
            return edit(old)

        def tell(new: Partner) -> None:
            if changed := partners.changed(before[0], new):
                audit_log.done("partner.edited", partner=new.id, name=new.name, version=new.version, changed=changed)

        return await self._commit(self._database.write(partners.edit, partner_id, noted), tell)

    async def delete(self, partner_id: str, *, version: Edition | None) -> None:
        """Forget the partner. Raises NotFound, VersionConflict."""
        await self._commit(
            self._database.write(partners.remove, partner_id, version=version),
            lambda _: audit_log.done("partner.deleted", partner=partner_id),
        )

    rules = Read(partners.rules)
    """Every partner, and every live blog that not just anyone may show."""


class Sources(QueryGroup):
    """Sources: live blogs of other servers that ours follow, each held by one process at a time."""

    add = Write(sources.add)
    """Have a live blog follow another one. Raises Conflict if it follows one already."""

    find = Read(sources.find)
    """The source that a live blog follows; waiting, if no process does so at that moment. Raises NotFound."""

    remove = Write(sources.remove)
    """Follow it no more; what was taken over stays. Raises NotFound."""

    async def hold(self, holder: str, at: datetime, lease: timedelta) -> list[Source]:
        """Return the sources that a process is to follow for so long: those it has, and those that nobody has."""
        if not await self._database.read(sources.exist):
            return []
        return await self._database.write(sources.hold, holder, at, lease)

    async def release(self, holder: str) -> None:
        """Leave a process's sources to another one."""
        if await self._database.read(sources.exist):
            await self._database.write(sources.release, holder)

    note = Write(sources.note)
    """Write down the state between a live blog and its source; nothing where it isn't held any more."""

    take_over = Write(sources.take)
    """Do here what was done to an entry of the source, and move on to `reached` (None: stay); None: nothing to do.

    What the newsroom has deleted here stays so. Raises NotHeld, and Conflict for one pinned entry too many.
    """

    move = Write(sources.move)
    """Move on past what does nothing here. Raises NotHeld."""

    copies = Read(sources.copies)
    """The source's entries that are here, by their ids there."""


class Takedowns(QueryGroup):
    """Counts of the viewers that have confirmed a deletion."""

    keep = Write(takedowns.keep)
    """Write down the counts of a takedown, in the place of those that were kept before."""

    find = Read(takedowns.find)
    """The takedown of an entry, as it was last kept. Raises NotFound."""


class Reach(QueryGroup):
    """Audience statistics by the hour, and the links to the page that draws them."""

    add = Write(reach.add)
    """Add the counts of a node, by slug, to what is there. A slug that no live blog has is left out."""

    find = Read(reach.find)
    """The hours that begin from `since` up to before `until`, by partner (None: all of them) and hour."""

    async def add_link(self, digest: str, link: ReachLink) -> None:
        """Keep a link by the hash of what opens it; the oldest of too many, and those that have expired, are gone."""
        fields = {"liveblog": link.slug, "expires_at": link.expires_at.isoformat()}
        await self._commit(
            self._database.write(reach_links.add, digest, link),
            lambda _: audit_log.done("reach_link.created", **fields),
        )

    find_link = Read(reach_links.find)
    """The link of that hash, also one that has expired; None if there is none."""


class ApiKeys(QueryGroup):
    """API keys: hashes of their secrets. Each change is told to the audit log."""

    async def add(self, key: ApiKey) -> None:
        """Insert an API key. Raises NotFound if it is limited to a live blog that isn't there."""
        limited = {"liveblogs": sorted(key.liveblogs)} if key.liveblogs else {}
        expires = {"expires_at": key.expires_at.isoformat()} if key.expires_at else {}
        fields = {"key": key.id, "name": key.name, "scopes": sorted(key.scopes), **limited, **expires}
        await self._commit(self._database.write(api_keys.add, key), lambda _: audit_log.done("key.created", **fields))

    all = Read(api_keys.every)
    """All API keys, revoked and expired ones too, oldest first."""

    find = Read(api_keys.find)
    """The API key, whether or not it is still good; None if there is none."""

    find_many = Read(api_keys.find_any)
    """Those of some API keys that there are, by id, whether or not they are still good."""

    async def revoke(self, key_id: str, at: datetime) -> None:
        """Mark an API key as revoked; one that already is keeps its first time. Raises NotFound."""
        await self._commit(
            self._database.write(api_keys.revoke, key_id, at), lambda _: audit_log.done("key.revoked", key=key_id)
        )
