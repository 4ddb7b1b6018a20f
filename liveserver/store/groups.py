"""The queries of the store, in groups: `store.entries.create(…)`, `store.media.find(…)`.

A new query is a function in `repositories`, whose first parameter is the transaction's connection, and a line here. The
method has the function's other parameters. The docstrings here are the contract that callers may rely on.
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

    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.partner import Partner
    from liveserver.domain.source import Source
    from liveserver.store.repositories.api_keys import ApiKey
    from liveserver.store.repositories.reach_links import ReachLink


class Liveblogs(QueryGroup):
    """Queries of live blogs, and of the content of pages, feeds and sitemaps."""

    create = Write(liveblogs.create)
    """Insert a live blog, with version 1 and seq 0. Raises Conflict if the slug is taken."""

    async def find(self, slug: str) -> Liveblog:
        """Return the live blog. Raises NotFound."""
        return (await self._database.read(liveblogs.find, slug)).liveblog

    page = Read(liveblogs.page)
    """Return a page of live blogs, newest created first, and the next cursor. Raises InvalidInput for a bad cursor."""

    edit = Write(liveblogs.edit)
    """Replace the live blog's own fields by the result of a function; return it, and the change that readers see.

    The function is called once, with the current state, which is locked; it is pure, sets `updated_at`, and may raise.
    The store decides slug, epoch, creation, version and seqs, whatever the function returns. If nothing else differs,
    nothing is written, and the change is None.
    """

    changed_since = Read(liveblogs.changed_since)
    """Return the live blogs with a change (of an entry, or of their own fields) since a moment, last changed first."""

    numbered = Read(liveblogs.numbered)
    """Return the live blogs of a range of numbers. A number never changes, and a later live blog has a greater one."""

    highest_number = Read(liveblogs.highest_number)
    """Return the greatest number of a live blog; 0 if there is none."""

    snapshot = Read(entry_queries.snapshot)
    """Return the content that a page starts with: published entries, at most 10 of them pinned, and 100 key events.

    `tags` and `moment` as for `Entries.page`.
    """

    feed = Read(entry_queries.feed)
    """Return the content of a feed: the newest published entries, and the deletions of entries that stood there."""


class Entries(QueryGroup):
    """Queries of a live blog's entries, as they are and as they were."""

    create = Write(entries.create)
    """Insert an entry, with version 1, and the next seq if it is published.

    With `idempotency`, only the first request makes an entry; a repeated one gets that entry as it is now, marked
    `replayed`. Raises KeyReused if the key came with another request, and Gone if its entry was deleted since.
    `refusal` is an error that a first request raises instead of making an entry; a repeated one was in order when it
    was made, and is answered all the same. With `key_id`, an API key, raises Unauthorized or Forbidden unless the key
    is good, and good for this live blog, at the moment of writing.
    """

    find = Read(entries.find_in)
    """Return the live blog, and an entry of any status but deleted.

    Raises NotFound, Gone if the entry was deleted, and NeverSeen if it was deleted before readers saw it.
    """

    find_published = Read(entry_queries.published)
    """Return the live blog, and a published entry. Raises NotFound, and Gone if the entry was deleted after that."""

    edit = Write(entries.edit)
    """Replace the entry by the result of a function; the entry takes a seq if the result is published.

    The function is called once, with the current state, which is locked; it is pure, sets `updated_at`, and may raise.
    The store decides id, creation, version and seq, whatever the function returns. If nothing else differs, nothing is
    written. Raises NotFound, Gone, and Conflict if a published entry would cease to be published. With `epoch`, raises
    VersionConflict if the live blog is in another history. `key_id` as for `create`.
    """

    delete = Write(entries.remove)
    """Empty the entry, and keep its tombstone. Raises NotFound, Gone, and the errors of `check`, called with the entry.

    With `epoch`, raises VersionConflict if the live blog is in another history.
    """

    page = Read(entry_queries.page)
    """Return a page of entries by publication (else due time, else creation), then id. Raises InvalidInput.

    `tags`: only entries with one of these tags. `moment`: the entries as they were then, at most an hour ago; published
    entries only, and none that has been deleted since. InvalidInput is for a bad cursor.
    """

    around = Read(entry_queries.around)
    """Return a published entry with up to `after` newer and `before` older ones. Raises NotFound, Gone if deleted."""

    revisions = Read(entries.revisions)
    """Return a page of the states that an entry had, oldest first, and the cursor of the next page.

    The entry may be deleted. Large states make a page shorter than `limit`. Raises NotFound, and InvalidInput for a bad
    cursor.
    """

    scheduled = Read(entry_queries.scheduled)
    """Return scheduled entries of all live blogs, the next due first."""

    forget_idempotency = Write(entries.forget_idempotency)
    """Delete the idempotency keys of entries made before a moment; return their number."""


class Changes(QueryGroup):
    """Queries of changes that readers see, in commit order: up to now, or up to a moment at most an hour ago."""

    after = Read(entry_queries.changes)
    """Return the changes after a seq, with the live blog's epoch and seq as of the same moment."""

    after_as_of = Read(entry_queries.changes_then)
    """Return the changes after a seq as of a past moment, and the withdrawals of entries deleted since then."""

    since = Read(past.pending)
    """Return the changes and withdrawals of a live blog since a moment."""

    positions = Read(liveblogs.positions)
    """Return the position of each of these live blogs that exists, by slug."""

    positions_as_of = Read(past.positions)
    """Return the position of each live blog that exists, each as of its own moment."""


class Media(QueryGroup):
    """Queries of pictures: their descriptions. The files aren't in the store."""

    add = Write(media.add)
    """Insert a picture, whose files have been written before.

    With `key_id`, an API key, raises Unauthorized unless the key is good at the moment of writing.
    """

    find = Read(media.find)
    """Return the picture. Raises NotFound, and Gone if it was deleted."""

    page = Read(media.page)
    """Return a page of pictures, newest first, and the next cursor. Raises InvalidInput for a bad cursor."""

    deleted = Read(media.deleted)
    """Return those of the digests whose pictures were deleted."""

    size = Read(media.size)
    """Return the bytes of the largest files of all pictures, added up."""

    edit = Write(media.edit)
    """Replace the picture's texts by the result of a function, as `Entries.edit` does. Raises NotFound, Gone."""

    delete = Write(media.remove)
    """Empty the picture, whose files have been deleted before. Raises NotFound, Gone, VersionConflict."""


class Partners(QueryGroup):
    """Queries of partners. The audit log records each change."""

    async def add(self, partner: Partner) -> Partner:
        """Insert a partner, with version 1. Raises Conflict if there are as many as there may be."""
        return await self._commit(
            self._database.write(partners.add, partner),
            lambda added: audit_log.done("partner.created", partner=added.id, name=added.name),
        )

    find = Read(partners.find)
    """Return the partner. Raises NotFound."""

    page = Read(partners.page)
    """Return a page of partners, newest first, and the next cursor. Raises InvalidInput for a bad cursor."""

    async def edit(self, partner_id: str, edit: Callable[[Partner], Partner]) -> Partner:
        """Replace the partner by the result of a function, as `Entries.edit` does. Raises NotFound."""
        before: list[Partner] = []

        def edit_noting_old(old: Partner) -> Partner:
            before[:] = [old]
            return edit(old)

        def record(new: Partner) -> None:
            if changed := partners.changed(before[0], new):
                audit_log.done("partner.edited", partner=new.id, name=new.name, version=new.version, changed=changed)

        return await self._commit(self._database.write(partners.edit, partner_id, edit_noting_old), record)

    async def delete(self, partner_id: str, *, version: EntityVersion | None) -> None:
        """Delete the partner. Raises NotFound, VersionConflict."""
        await self._commit(
            self._database.write(partners.remove, partner_id, version=version),
            lambda _: audit_log.done("partner.deleted", partner=partner_id),
        )

    rules = Read(partners.rules)
    """Return every partner, and every live blog with an embed policy that restricts who may show it."""


class Sources(QueryGroup):
    """Queries of sources. One process at a time holds, that is follows, a source."""

    add = Write(sources.add)
    """Insert the source that a live blog follows. Raises Conflict if it follows one already."""

    find = Read(sources.find)
    """Return the source that a live blog follows; its state is waiting if no process holds it. Raises NotFound."""

    remove = Write(sources.remove)
    """Delete the source; entries that were taken over stay. Raises NotFound."""

    async def hold(self, holder: str, at: datetime, lease: timedelta) -> list[Source]:
        """Let a process hold its own sources and all free ones until `at` plus `lease`; return them."""
        if not await self._database.read(sources.exist):
            return []
        return await self._database.write(sources.hold, holder, at, lease)

    async def release(self, holder: str) -> None:
        """Free the sources that a process holds."""
        if await self._database.read(sources.exist):
            await self._database.write(sources.release, holder)

    note = Write(sources.note)
    """Record how a source is being followed. Writes nothing if the process doesn't hold it any more."""

    take_over = Write(sources.take)
    """Apply here a change that the source made to an entry, and move to position `reached` (None: stay).

    Returns None if there is nothing to do. An entry that the newsroom has deleted here stays deleted.
    Raises NotHeld, and Conflict for one pinned entry too many.
    """

    move = Write(sources.move)
    """Move to a position, past changes that do nothing here. Raises NotHeld."""

    copies = Read(sources.copies)
    """Return our copies of the source's entries, by their ids at the source."""


class Takedowns(QueryGroup):
    """Queries of takedowns: counts of the viewers that have confirmed a deletion."""

    keep = Write(takedowns.keep)
    """Insert the counts of a takedown, or replace the earlier ones."""

    find = Read(takedowns.find)
    """Return the takedown of an entry, as it was last written. Raises NotFound."""


class Reach(QueryGroup):
    """Queries of audience statistics by the hour, and of links to the page that draws them."""

    add = Write(reach.add)
    """Add a node's counts, by slug, to the stored ones. Skips a slug that no live blog has."""

    find = Read(reach.find)
    """Return the hours that begin from `since` and before `until`, by partner and hour. `partner` None: of all."""

    async def add_link(self, digest: str, link: ReachLink) -> None:
        """Insert a link under the hash of its secret; delete expired links, and the oldest if there are too many."""
        fields = {"liveblog": link.slug, "expires_at": link.expires_at.isoformat()}
        await self._commit(
            self._database.write(reach_links.add, digest, link),
            lambda _: audit_log.done("reach_link.created", **fields),
        )

    find_link = Read(reach_links.find)
    """Return the link of a hash, even if it has expired; None if there is none."""


class ApiKeys(QueryGroup):
    """Queries of API keys, with hashes of their secrets. The audit log records each change."""

    async def add(self, key: ApiKey) -> None:
        """Insert an API key. Raises NotFound if it is limited to a live blog that doesn't exist."""
        limited = {"liveblogs": sorted(key.liveblogs)} if key.liveblogs else {}
        expires = {"expires_at": key.expires_at.isoformat()} if key.expires_at else {}
        fields = {"key": key.id, "name": key.name, "scopes": sorted(key.scopes), **limited, **expires}
        await self._commit(self._database.write(api_keys.add, key), lambda _: audit_log.done("key.created", **fields))

    all = Read(api_keys.every)
    """Return all API keys, revoked and expired ones too, oldest first."""

    find = Read(api_keys.find)
    """Return the API key, even if it was revoked or has expired; None if there is none."""

    find_many = Read(api_keys.find_any)
    """Return those of the API keys that exist, by id, even if they were revoked or have expired."""

    async def revoke(self, key_id: str, at: datetime) -> None:
        """Mark an API key as revoked; a key that is revoked already keeps its first time. Raises NotFound."""
        await self._commit(
            self._database.write(api_keys.revoke, key_id, at), lambda _: audit_log.done("key.revoked", key=key_id)
        )
