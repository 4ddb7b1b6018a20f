"""The store: the only truth, and what orders it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.domain import audit
from liveserver.domain.entry import EntryStatus
from liveserver.domain.errors import SettingsError
from liveserver.store import schema
from liveserver.store.database import PATIENCE, Database, is_sqlite, opening, parse_url, shown, use_write_ahead_log
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
from liveserver.utils.after_commit import AfterCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime, timedelta

    from liveserver.domain.audience import ReachHour, Takedown
    from liveserver.domain.change import Changes, LiveblogChanged, Position, Withdrawal
    from liveserver.domain.entry import Entry, Revision, Verification
    from liveserver.domain.errors import LiveserverError
    from liveserver.domain.ids import Edition
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.media import Media
    from liveserver.domain.partner import Partner
    from liveserver.domain.snapshot import EntryPage, Feed, Listing, Snapshot
    from liveserver.domain.source import ImportedEntry, Source, SourceState
    from liveserver.store.repositories.api_keys import ApiKey
    from liveserver.store.repositories.entries import Idempotency, Written
    from liveserver.store.repositories.entry_queries import Around, Order, Scheduled
    from liveserver.store.repositories.partners import Rules
    from liveserver.store.repositories.past import Pending
    from liveserver.store.repositories.reach_links import ReachLink
    from liveserver.store.repositories.sources import Hold, Incoming


class Store:
    """Live blogs, their entries and the API keys, in SQLite or PostgreSQL.

    Each change that readers see takes the live blog's next seq in the transaction that writes it: seqs have no gaps,
    and their order is the order of commits. Each call is one transaction; one that raises has written nothing.

    Every method raises StoreUnavailable when the database doesn't answer, and those that take a slug raise NotFound
    when no live blog has it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commit = AfterCommit()

    @classmethod
    async def open(
        cls, url: str, *, migrate: bool | None = None, pool_size: int = 5, patience: float = PATIENCE
    ) -> Store:
        """Connect, and see that the schema fits.

        `migrate`: bring the schema up to date first (None: for an SQLite file only). `pool_size`: connections for
        writing and as many for reading; SQLite writes with one. `patience`: seconds for which a statement, a lock or
        a free connection is waited for. Raises SettingsError if the database can't be opened or isn't migrated.
        """
        parsed = parse_url(url)
        if is_sqlite(parsed):
            with opening(parsed):
                await use_write_ahead_log(parsed)
        if not await schema.is_current(url):
            if not (is_sqlite(parsed) if migrate is None else migrate):
                raise SettingsError(f"the database {shown(parsed)} isn't up to date: run liveserver migrate")
            await schema.migrate(url)
        store = cls(Database(parsed, pool_size=pool_size, patience=patience))
        try:
            with opening(parsed):
                await store.ping()
        except BaseException:
            await store.close()
            raise
        return store

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()

    async def ping(self) -> None:
        """Raises StoreUnavailable unless a write could begin now."""
        await self._database.ping()

    async def create_liveblog(self, liveblog: Liveblog) -> Liveblog:
        """Insert it, with version 1 and seq 0. Raises Conflict if the slug is taken."""
        return await self._database.write(liveblogs.create, liveblog)

    async def liveblog(self, slug: str) -> Liveblog:
        """The live blog as it stands."""
        return (await self._database.read(liveblogs.find, slug)).liveblog

    async def liveblogs(self, *, limit: int, cursor: str | None = None) -> tuple[list[Liveblog], str | None]:
        """One page, newest created first, and the cursor of the next. Raises Invalid for a bad cursor."""
        return await self._database.read(liveblogs.page, limit=limit, cursor=cursor)

    async def edit_liveblog(
        self, slug: str, edit: Callable[[Liveblog], Liveblog]
    ) -> tuple[Liveblog, LiveblogChanged | None]:
        """Replace the live blog's own fields by what `edit` makes of them.

        `edit` is called once, with the locked current state; it is pure, sets `updated_at`, and may raise. Slug,
        epoch, creation, version and seqs are the store's. If nothing else differs, nothing is written.
        """
        return await self._database.write(liveblogs.edit, slug, edit)

    async def create_entry(
        self,
        slug: str,
        entry: Entry,
        *,
        actor: str,
        key_id: str | None = None,
        idempotency: Idempotency | None = None,
        refusal: LiveserverError | None = None,
    ) -> Written:
        """Insert it, with version 1, and the next seq if it is published.

        With `idempotency`, the first request alone makes an entry; a repeated one gets that entry as it is now, marked
        `replayed`. Raises KeyReused if the key came with another request, and Gone if its entry was deleted since.
        A first request with a `refusal` makes no entry, but raises that: what was in order then may not be now.
        With `key_id`, an API key, raises Unauthorized or Forbidden unless it is good, and good for this live blog, at
        the moment of the writing.
        """
        return await self._database.write(
            entries.create, slug, entry, actor=actor, key_id=key_id, idempotency=idempotency, refusal=refusal
        )

    async def entry(self, slug: str, entry_id: str) -> tuple[Liveblog, Entry]:
        """An entry of any status but deleted. Raises NotFound, and Gone if it was deleted (or NeverSeen, if unseen)."""
        return await self._database.read(entries.find_in, slug, entry_id)

    async def published(self, slug: str, entry_id: str) -> tuple[Liveblog, Entry]:
        """An entry that readers see. Raises NotFound, and Gone if they saw it before it was deleted."""
        return await self._database.read(entry_queries.published, slug, entry_id)

    async def edit_entry(
        self, slug: str, entry_id: str, edit: Callable[[Entry], Entry], *, actor: str, epoch: str | None = None
    ) -> Written:
        """Replace the entry by what `edit` makes of it; it takes a seq if it is then published.

        `edit` is called once, with the locked current state; it is pure, sets `updated_at`, and may raise. Id,
        creation, version and seq are the store's. If nothing else differs, nothing is written. Raises NotFound, Gone,
        and Conflict if a published entry would cease to be so. With `epoch`, VersionConflict in any other history.
        """
        return await self._database.write(entries.edit, slug, entry_id, edit, actor=actor, epoch=epoch)

    async def delete_entry(
        self,
        slug: str,
        entry_id: str,
        check: Callable[[Entry], None],
        *,
        actor: str,
        at: datetime,
        epoch: str | None = None,
    ) -> Written:
        """Empty the entry, and keep its tombstone. Raises NotFound, Gone, and what `check` raises of the entry.

        With `epoch`, VersionConflict in any other history.
        """
        return await self._database.write(entries.remove, slug, entry_id, check, actor=actor, at=at, epoch=epoch)

    async def keep_takedown(self, takedown: Takedown) -> None:
        """Write its counts down, in the place of those that were kept before."""
        await self._database.write(takedowns.keep, takedown)

    async def takedown(self, slug: str, entry_id: str) -> Takedown:
        """What was last kept of it. Raises NotFound."""
        return await self._database.read(takedowns.find, slug, entry_id)

    async def add_reach(self, counted: Sequence[tuple[str, ReachHour]]) -> None:
        """Add what a node has counted, by slug, to what is there. A slug that no live blog has is left out."""
        await self._database.write(reach.add, counted)

    async def reach(
        self, slug: str, since: datetime, until: datetime, *, partner: str | None = None
    ) -> list[ReachHour]:
        """The hours that begin from `since` up to before `until`, by partner (None: all of them) and hour."""
        return await self._database.read(reach.find, slug, since, until, partner=partner)

    async def add_reach_link(self, digest: str, link: ReachLink) -> None:
        """Keep a link by the hash of what opens it; the oldest of too many, and those that have expired, are gone."""
        told = {"liveblog": link.slug, "expires_at": link.expires_at.isoformat()}
        await self._commit(
            self._database.write(reach_links.add, digest, link), lambda _: audit.done("reach_link.created", **told)
        )

    async def reach_link(self, digest: str) -> ReachLink | None:
        """The link of that hash, also one that has expired; None if there is none."""
        return await self._database.read(reach_links.find, digest)

    async def entries(
        self,
        slug: str,
        *,
        limit: int,
        cursor: str | None = None,
        order: Order = "newest",
        key_events: bool = False,
        tag: str | None = None,
        verification: Verification | None = None,
        statuses: Collection[EntryStatus] = (EntryStatus.PUBLISHED,),
        tags: Collection[str] = (),
        moment: datetime | None = None,
    ) -> EntryPage:
        """One page, by publication (else due time, else creation), then by id. Raises Invalid for a bad cursor.

        `tags`: only entries with one of these. `moment`: as it was then, at most an hour ago; published entries only,
        and none that is deleted by now.
        """
        return await self._database.read(
            entry_queries.page,
            slug,
            limit=limit,
            cursor=cursor,
            order=order,
            key_events=key_events,
            tag=tag,
            verification=verification,
            statuses=statuses,
            tags=tags,
            moment=moment,
        )

    async def around(self, slug: str, entry_id: str, *, before: int, after: int) -> Around:
        """A published entry with up to `after` newer and `before` older ones. Raises NotFound, and Gone if deleted."""
        return await self._database.read(entry_queries.around, slug, entry_id, before=before, after=after)

    async def snapshot(
        self, slug: str, *, limit: int, tags: Collection[str] = (), moment: datetime | None = None
    ) -> Snapshot:
        """What a page starts from: published entries only; at most 10 pinned ones and 100 key events.

        `tags` and `moment` as for `entries`.
        """
        return await self._database.read(entry_queries.snapshot, slug, limit=limit, tags=tags, moment=moment)

    async def feed(self, slug: str, *, limit: int) -> Feed:
        """What a feed is made from: the newest published entries, and which of those that stood there are deleted."""
        return await self._database.read(entry_queries.feed, slug, limit=limit)

    async def changed_since(self, since: datetime, *, limit: int) -> list[Listing]:
        """Live blogs with a change (of an entry, or of their own fields) since then, the last changed first."""
        return await self._database.read(liveblogs.changed_since, since, limit=limit)

    async def numbered(self, numbers: range) -> list[Listing]:
        """The live blogs of these numbers: each has one, greater than those made before it, and keeps it."""
        return await self._database.read(liveblogs.numbered, numbers)

    async def highest_number(self) -> int:
        """The greatest number of a live blog; 0 if there is none."""
        return await self._database.read(liveblogs.highest_number)

    async def changes(self, slug: str, after: int, *, limit: int) -> Changes:
        """What changed after a seq, with the live blog's epoch and seq as of the same moment."""
        return await self._database.read(entry_queries.changes, slug, after, limit=limit)

    async def changes_then(
        self, slug: str, after: int, *, limit: int, moment: datetime
    ) -> tuple[Changes, list[Withdrawal]]:
        """The same as of a moment, at most an hour ago; and what was there then, and is deleted by now."""
        return await self._database.read(entry_queries.changes_then, slug, after, limit=limit, moment=moment)

    async def pending(self, slug: str, moment: datetime) -> Pending:
        """What has happened to a live blog since a moment, at most an hour ago."""
        return await self._database.read(past.pending, slug, moment)

    async def positions_then(self, wanted: Collection[tuple[str, datetime]]) -> dict[tuple[str, datetime], Position]:
        """Where each live blog that exists stood at a moment, at most an hour ago."""
        return await self._database.read(past.positions, wanted)

    async def revisions(
        self, slug: str, entry_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[Revision], str | None]:
        """A page of the states that the entry had, oldest first, also if it was deleted, and the cursor of the next.

        Fewer than `limit`, where they are large. Raises NotFound, and Invalid for a bad cursor.
        """
        return await self._database.read(entries.revisions, slug, entry_id, limit=limit, cursor=cursor)

    async def scheduled(self, *, limit: int) -> list[Scheduled]:
        """The scheduled entries, the next due first."""
        return await self._database.read(entry_queries.scheduled, limit=limit)

    async def positions(self, slugs: Collection[str]) -> dict[str, Position]:
        """Epoch and seq of each live blog that exists, in one query."""
        return await self._database.read(liveblogs.positions, slugs)

    async def add_media(self, picture: Media, *, key_id: str | None = None) -> Media:
        """Insert a picture, whose files are there already.

        With `key_id`, an API key, raises Unauthorized unless it is good at the moment of the writing.
        """
        return await self._database.write(media.add, picture, key_id=key_id)

    async def media(self, media_id: str) -> Media:
        """The picture. Raises NotFound, and Gone if it was deleted."""
        return await self._database.read(media.find, media_id)

    async def media_page(self, *, limit: int, cursor: str | None = None) -> tuple[list[Media], str | None]:
        """One page of pictures, newest first, and the cursor of the next. Raises Invalid for a bad cursor."""
        return await self._database.read(media.page, limit=limit, cursor=cursor)

    async def media_deleted(self, digests: Sequence[str]) -> set[str]:
        """Those of some digests that pictures had which were deleted."""
        return await self._database.read(media.deleted, digests)

    async def media_size(self) -> int:
        """The bytes of the largest files of all pictures that there are."""
        return await self._database.read(media.size)

    async def edit_media(self, media_id: str, edit: Callable[[Media], Media]) -> Media:
        """Replace the picture's words by what `edit` makes of them, as `edit_entry` does. Raises NotFound, Gone."""
        return await self._database.write(media.edit, media_id, edit)

    async def delete_media(self, media_id: str, *, version: Edition | None, at: datetime) -> None:
        """Empty the picture, whose files are gone already. Raises NotFound, Gone, VersionConflict."""
        await self._database.write(media.remove, media_id, version, at)

    async def add_partner(self, partner: Partner) -> Partner:
        """Insert a partner."""
        return await self._commit(
            self._database.write(partners.add, partner),
            lambda added: audit.done("partner.created", partner=added.id, name=added.name),
        )

    async def partner(self, partner_id: str) -> Partner:
        """The partner. Raises NotFound."""
        return await self._database.read(partners.find, partner_id)

    async def partner_page(self, *, limit: int, cursor: str | None = None) -> tuple[list[Partner], str | None]:
        """One page of partners, newest first, and the cursor of the next. Raises Invalid for a bad cursor."""
        return await self._database.read(partners.page, limit=limit, cursor=cursor)

    async def edit_partner(self, partner_id: str, edit: Callable[[Partner], Partner]) -> Partner:
        """Replace the partner by what `edit` makes of it, as `edit_entry` does. Raises NotFound."""
        before: list[Partner] = []

        def noted(old: Partner) -> Partner:
            before[:] = [old]
            return edit(old)

        def tell(new: Partner) -> None:
            if changed := partners.changed(before[0], new):
                audit.done("partner.edited", partner=new.id, name=new.name, version=new.version, changed=changed)

        return await self._commit(self._database.write(partners.edit, partner_id, noted), tell)

    async def delete_partner(self, partner_id: str, *, version: Edition | None) -> None:
        """Forget the partner. Raises NotFound, VersionConflict."""
        await self._commit(
            self._database.write(partners.remove, partner_id, version),
            lambda _: audit.done("partner.deleted", partner=partner_id),
        )

    async def rules(self) -> Rules:
        """Every partner, and every live blog that not just anyone may show."""
        return await self._database.read(partners.rules)

    async def add_source(self, source: Source) -> Source:
        """Have a live blog follow another one. Raises Conflict if it follows one already."""
        return await self._database.write(sources.add, source)

    async def source(self, slug: str, at: datetime) -> Source:
        """What a live blog follows; waiting, if no process does so at that moment. Raises NotFound."""
        return await self._database.read(sources.find, slug, at)

    async def remove_source(self, slug: str) -> None:
        """Follow it no more; what was taken over stays. Raises NotFound."""
        await self._database.write(sources.remove, slug)

    async def hold_sources(self, holder: str, at: datetime, lease: timedelta) -> list[Source]:
        """The sources that a process is to follow for so long: those it has, and those that nobody has."""
        if not await self._database.read(sources.exist):
            return []
        return await self._database.write(sources.hold, holder, at, lease)

    async def release_sources(self, holder: str) -> None:
        """Leave a process's sources to whoever comes next."""
        if await self._database.read(sources.exist):
            await self._database.write(sources.release, holder)

    async def note_source(
        self, hold: Hold, state: SourceState, *, error: str | None, told: int | None, heard_at: datetime | None
    ) -> None:
        """Write down how it stands between a live blog and its source."""
        await self._database.write(sources.note, hold, state, error, told, heard_at)

    async def take_over(
        self, slug: str, hold: Hold, reached: Position | None, given: Incoming, *, actor: str, at: datetime
    ) -> Written | None:
        """Do here what was done to an entry of the source, and move on to `reached` (None: stay); None: nothing to do.

        What the newsroom has deleted here stays so. Raises NotHeld, and Conflict for one pinned entry too many.
        """
        return await self._database.write(sources.take, slug, hold, reached, given, actor=actor, at=at)

    async def move_source(self, hold: Hold, reached: Position) -> None:
        """Move on past what does nothing here. Raises NotHeld."""
        await self._database.write(sources.move, hold, reached)

    async def copies(self, slug: str) -> dict[str, ImportedEntry]:
        """The source's entries that are here, by their ids there."""
        return await self._database.read(sources.copies, slug)

    async def add_key(self, key: ApiKey) -> None:
        """Insert an API key."""
        limited = {"liveblogs": sorted(key.liveblogs)} if key.liveblogs else {}
        expires = {"expires_at": key.expires_at.isoformat()} if key.expires_at else {}
        told = {"key": key.id, "name": key.name, "scopes": sorted(key.scopes), **limited, **expires}
        await self._commit(self._database.write(api_keys.add, key), lambda _: audit.done("key.created", **told))

    async def keys(self) -> list[ApiKey]:
        """All API keys, revoked and expired ones too, oldest first."""
        return await self._database.read(api_keys.every)

    async def key(self, key_id: str) -> ApiKey | None:
        """The API key, whether or not it is still good; None if there is none."""
        return await self._database.read(api_keys.find, key_id)

    async def keys_of(self, key_ids: Sequence[str]) -> dict[str, ApiKey]:
        """Those of some API keys that there are, by id, whether or not they are still good."""
        return await self._database.read(api_keys.find_any, key_ids)

    async def revoke_key(self, key_id: str, at: datetime) -> None:
        """Mark an API key as revoked; one that already is keeps its first time. Raises NotFound."""
        await self._commit(
            self._database.write(api_keys.revoke, key_id, at), lambda _: audit.done("key.revoked", key=key_id)
        )

    async def forget_idempotency(self, before: datetime) -> int:
        """Forget the idempotency keys of entries made before; how many there were."""
        return await self._database.write(entries.forget_idempotency, before)
