"""What editors do: validate, sanitise, store (which orders), and only then tell the hub."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from liveserver.content.sanitiser import safe
from liveserver.content.sanitiser_pool import SanitiserPool, is_dear
from liveserver.domain.change import Position
from liveserver.domain.entry import CORRECTIONS_MAX, Correction, Entry, EntryStatus
from liveserver.domain.errors import Conflict, FieldError, InvalidInput, Unauthorized, check_version
from liveserver.domain.ids import new_epoch, new_id, now, slugify
from liveserver.domain.liveblog import EmbedPolicy, Liveblog
from liveserver.newsroom.entry_states import Timing, TimingChange, timing_of_edited, timing_of_new
from liveserver.protocol import encoding
from liveserver.store import Idempotency, Store, Written
from liveserver.store.repositories.api_keys import UNKNOWN
from liveserver.utils.after_commit import AfterCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from liveserver.domain.audience import Takedown
    from liveserver.domain.change import Change
    from liveserver.domain.ids import Edition
    from liveserver.domain.inputs.bodies import EmbeddingInput, EntryInput, EntryPatch, LiveblogInput, LiveblogPatch
    from liveserver.newsroom.presenter import Presenter
    from liveserver.newsroom.takedowns import Takedowns
    from liveserver.realtime.hub import Hub


class Publisher:
    """The editors' side of the server."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        presenter: Presenter,
        takedowns: Takedowns,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._hub = hub
        self._presenter = presenter
        self._takedowns = takedowns
        self._sanitising = SanitiserPool()
        self._clock = clock
        self._commit = AfterCommit()
        self.has_scheduled = asyncio.Event()
        """Set whenever an entry was scheduled here, or its time was changed."""

    async def create_liveblog(self, given: LiveblogInput) -> Liveblog:
        """A new live blog. Raises Conflict if the slug is taken."""
        slug = given.slug or slugify(given.title)
        if not slug:
            raise InvalidInput([FieldError("/slug", "is needed: none can be made from the title")])
        at = self._clock()
        return await self._store.liveblogs.create(
            Liveblog(
                slug=slug,
                title=given.title,
                summary=given.summary,
                language=given.language,
                timezone=given.timezone,
                status=given.status,
                version=1,
                epoch=new_epoch(),
                seq=0,
                changed_seq=0,
                created_at=at,
                updated_at=at,
                embedding=_embedding(given.embedding),
            )
        )

    async def edit_liveblog(self, slug: str, patch: LiveblogPatch, *, version: Edition | None) -> Liveblog:
        """Change a live blog's fields. `version`: the one that was edited (None: whichever is current)."""
        at = self._clock()

        def edit(current: Liveblog) -> Liveblog:
            check_version(current, version, current.epoch)
            fields = patch.sent()
            if "embedding" in fields:
                fields["embedding"] = _embedding(patch.embedding)
            edited = replace(current, **fields)
            return current if edited == current else replace(edited, updated_at=at)

        liveblog, _ = await self._commit(
            self._store.liveblogs.edit(slug, edit), lambda written: self._announce(written[0], written[1])
        )
        return liveblog

    async def create_entry(
        self,
        slug: str,
        given: EntryInput,
        *,
        actor: str,
        key_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Written:
        """A new entry; the one that the same key made before, if it is a retry.

        `key_id`: the API key that it is made with, which has to be good when the entry is written (else Unauthorized
        or Forbidden), and within which an `idempotency_key` counts. Where a body is dear to make safe, it has to be
        good before too.
        """
        at = self._clock()
        refusal: InvalidInput | None = None
        try:
            timing = timing_of_new(_timing_change(given), at)
        except InvalidInput as error:
            # Its time was in order when the request came first, perhaps: whether it did, only the store can tell.
            refusal, timing = error, Timing(EntryStatus.DRAFT, None, None)
        entry = Entry(
            id=new_id(),
            seq=None,
            version=1,
            status=timing.status,
            heading=given.heading,
            body=await self._safe(given.body, given.format, owner=key_id, key_id=key_id),
            authors=tuple(given.authors),
            key_event=given.key_event,
            breaking=given.breaking,
            pinned=given.pinned,
            tags=tuple(given.tags),
            verification=given.verification,
            source=given.source,
            corrections=(),
            publish_at=timing.publish_at,
            published_at=timing.published_at,
            created_at=at,
            updated_at=at,
        )
        idempotency = None
        if key_id is not None and idempotency_key is not None:
            content = encoding.dumps([slug, given.model_dump(mode="json", exclude_unset=True)])
            idempotency = Idempotency(key_id, idempotency_key, hashlib.sha256(content).hexdigest())
        elif refusal is not None:
            raise refusal
        return await self._write(
            self._store.entries.create(
                slug,
                entry,
                actor=actor,
                key_id=key_id,
                idempotency=idempotency,
                refusal=refusal,
            )
        )

    async def edit_entry(
        self,
        slug: str,
        entry_id: str,
        patch: EntryPatch,
        *,
        version: Edition | None,
        actor: str,
        key_id: str | None = None,
    ) -> Written:
        """Change an entry. `version`: the one that was edited (None: whichever is current).

        `key_id`: the API key with which that is done, whose share of the server's time it takes; it has to be good at
        the moment of the writing, or Unauthorized or Forbidden is raised.
        """
        at = self._clock()
        # Before the transaction, in which others would wait for it.
        body = await self._safe(patch.body, patch.format, owner=key_id) if "body" in patch.model_fields_set else None

        def edit(current: Entry) -> Entry:
            check_version(current, version, None)
            return _edited(current, patch, body, at)

        epoch = version.history if version else None
        return await self._write(
            self._store.entries.edit(slug, entry_id, edit, actor=actor, key_id=key_id, epoch=epoch)
        )

    async def delete_entry(
        self, slug: str, entry_id: str, *, version: Edition | None, actor: str, confirm: bool = False
    ) -> Takedown | None:
        """Take an entry away, for good. With `confirm`, viewers are asked to confirm that it is gone.

        Returns how that begins; None without `confirm`, or if readers never saw the entry.
        """
        takedown: Takedown | None = None

        def announce(written: Written) -> None:
            nonlocal takedown
            if confirm and written.change is not None:
                takedown = self._takedowns.begin(slug, entry_id, written.change.seq)
            self._announce(written.liveblog, written.change)

        await self._commit(
            self._store.entries.delete(
                slug,
                entry_id,
                lambda current: check_version(current, version, None),
                actor=actor,
                at=self._clock(),
                epoch=version.history if version else None,
            ),
            announce,
        )
        return takedown

    async def publish_due(self, slug: str, entry_id: str) -> None:
        """Publish a scheduled entry whose time has come, unless somebody else has, or has thought better of it."""
        at = self._clock()

        def edit(current: Entry) -> Entry:
            if current.status is not EntryStatus.SCHEDULED or current.publish_at is None or current.publish_at > at:
                return current
            due = current.publish_at
            return replace(current, status=EntryStatus.PUBLISHED, published_at=due, publish_at=None, updated_at=due)

        try:
            await self._write(self._store.entries.edit(slug, entry_id, edit, actor="schedule"))
        except Conflict:
            # One pinned entry too many by now: better unpinned than not at all.
            await self._write(
                self._store.entries.edit(
                    slug, entry_id, lambda current: replace(edit(current), pinned=False), actor="schedule"
                )
            )

    async def take_over(self, writing: Coroutine[Any, Any, Written | None]) -> None:
        """Have a change of a source written, and tell of what readers see of it."""

        def announce(written: Written | None) -> None:
            if written is not None:
                self._announce(written.liveblog, written.change)

        await self._commit(writing, announce)

    async def _safe(self, body: str, markup: str, *, owner: str | None, key_id: str | None = None) -> str:
        """The body made safe, if the key, where one is named, is still good. Raises InvalidInput, Unauthorized, Busy.

        `owner`: the key whose share of the threads it takes.
        """
        if not is_dear(body, markup):
            return safe(body, markup)
        if key_id is not None:
            key = await self._store.keys.find(key_id)
            if key is None:
                raise Unauthorized(UNKNOWN)
            key.check()
        return await self._sanitising.run(partial(safe, markup=markup), body, owner=owner)

    async def _write(self, writing: Coroutine[Any, Any, Written]) -> Written:
        def announce(written: Written) -> None:
            self._announce(written.liveblog, written.change)
            if written.entry.status is EntryStatus.SCHEDULED:
                self.has_scheduled.set()

        return await self._commit(writing, announce)

    def _announce(self, liveblog: Liveblog, change: Change | None) -> None:
        # At once, and also of what another process has written: an editor who was answered must not be shown less.
        self._hub.committed(liveblog.slug, Position(liveblog.epoch, liveblog.seq))
        if change is not None:
            # The editor is answered first: what the response writes goes out before this turn of the loop ends.
            frame = self._presenter.frame(liveblog, change)
            asyncio.get_running_loop().call_soon(self._hub.publish, liveblog.slug, frame)


def _embedding(given: EmbeddingInput) -> EmbedPolicy:
    return EmbedPolicy(given.mode, tuple(given.origins))


def _timing_change(given: EntryInput | EntryPatch) -> TimingChange:
    status = given.status if "status" in given.model_fields_set else None
    names_time = "publish_at" in given.model_fields_set
    return TimingChange(
        EntryStatus(status) if status else None, given.publish_at if names_time else None, names_time=names_time
    )


def _edited(current: Entry, patch: EntryPatch, body: str | None, at: datetime) -> Entry:
    """An entry as it was edited; `body` is the new one made safe, if there is one."""
    given = patch.model_fields_set
    fields: dict[str, Any] = {name: getattr(patch, name) for name in given & _PLAIN_FIELDS}
    fields |= {name: tuple(getattr(patch, name)) for name in given & _LIST_FIELDS}
    if body is not None:
        fields["body"] = body
    entry = replace(current, **fields)
    if patch.correction is not None:
        if len(current.corrections) >= CORRECTIONS_MAX:
            raise InvalidInput([FieldError("/correction", f"is one too many: an entry has at most {CORRECTIONS_MAX}")])
        entry = replace(entry, corrections=(*current.corrections, Correction(at, patch.correction)))
    if given & {"status", "publish_at"}:
        current_timing = Timing(entry.status, entry.publish_at, entry.published_at)
        entry = replace(entry, **timing_of_edited(current_timing, _timing_change(patch), at)._asdict())
    if all(getattr(entry, name) == getattr(current, name) for name in _CONTENT_FIELDS):
        return entry
    published_now = entry.status is EntryStatus.PUBLISHED and current.status is not EntryStatus.PUBLISHED
    return replace(entry, updated_at=entry.published_at if published_now and entry.published_at else at)


_PLAIN_FIELDS = frozenset({"heading", "key_event", "breaking", "pinned", "verification", "source"})
_LIST_FIELDS = frozenset({"authors", "tags"})
_CONTENT_FIELDS = ("heading", "body", "authors", "verification", "source", "corrections", "status", "published_at")
"""What an entry says. Where it stands on the page (pinned, key event, tags …) changes it, but not its `updated_at`."""
