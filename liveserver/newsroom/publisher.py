"""The actions of editors on live blogs and entries.

First the text is made safe. Then the change is stored, and gets a seq if readers are to see it. Only then is it sent to
viewers.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from liveserver.content.sanitiser import safe
from liveserver.content.sanitiser_pool import SanitiserPool, is_dear
from liveserver.domain.change import Position
from liveserver.domain.entry import Entry, EntryStatus, check_publishable
from liveserver.domain.errors import Conflict, FieldError, InvalidInput, check_version
from liveserver.domain.ids import new_epoch, new_id, now, slugify
from liveserver.domain.liveblog import EmbedPolicy, Liveblog, TwoPersons
from liveserver.domain.people.principal import SCHEDULE
from liveserver.domain.people.rights import Verb
from liveserver.newsroom.entry_edits import edited, timing_change
from liveserver.newsroom.entry_states import Timing, timing_of_new
from liveserver.protocol import json_encoding
from liveserver.store import Idempotency, Store, Written
from liveserver.utils.after_commit import AfterCommit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    from liveserver.domain.audience import Takedown
    from liveserver.domain.change import Change
    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.inputs.models import EmbeddingInput, EntryInput, EntryPatch, LiveblogInput, LiveblogPatch
    from liveserver.domain.people.principal import Principal
    from liveserver.newsroom.desk.work_hints import WorkHints
    from liveserver.newsroom.presenter import Presenter
    from liveserver.newsroom.takedowns import Takedowns
    from liveserver.realtime.hub import Hub


class Removed(NamedTuple):
    """The result of a deletion, withdrawal or erasure."""

    written: Written
    takedown: Takedown | None
    """The takedown that viewers are asked to confirm; None if viewers aren't asked, or never saw the entry."""


class Publisher:
    """The actions of editors on live blogs and entries. Each stores a change, and sends it to viewers by the hub."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        presenter: Presenter,
        takedowns: Takedowns,
        hints: WorkHints,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._hub = hub
        self._presenter = presenter
        self._takedowns = takedowns
        self.hints = hints
        """Tells desk streams of unpublished work that was written, and of notes."""
        self._sanitising = SanitiserPool()
        self._clock = clock
        self._commit = AfterCommit()
        self.has_scheduled = asyncio.Event()
        """Set by each write of this process that results in a scheduled entry. The scheduler waits for this event."""

    async def create_liveblog(self, liveblog_input: LiveblogInput, by: Principal) -> Liveblog:
        """Create a live blog, and return it. Without a slug in the input, one is made from the title.

        Raises Conflict if the slug is taken, and InvalidInput if no slug can be made from the title. Raises
        Unauthorized or Forbidden if the principal `by` may not open a live blog now.
        """
        slug = liveblog_input.slug or slugify(liveblog_input.title)
        if not slug:
            raise InvalidInput([FieldError("/slug", "is needed: none can be made from the title")])
        at = self._clock()
        return await self._store.liveblogs.create(
            Liveblog(
                slug=slug,
                title=liveblog_input.title,
                summary=liveblog_input.summary,
                language=liveblog_input.language,
                timezone=liveblog_input.timezone,
                status=liveblog_input.status,
                version=1,
                epoch=new_epoch(),
                seq=0,
                changed_seq=0,
                created_at=at,
                updated_at=at,
                embedding=_embedding(liveblog_input.embedding),
            ),
            by,
        )

    async def edit_liveblog(
        self,
        slug: str,
        patch: LiveblogPatch,
        by: Principal,
        *,
        version: EntityVersion | None,
        check_loosening: Callable[[], None] | None = None,
    ) -> Liveblog:
        """Edit a live blog's own fields, and return the live blog.

        `version`: the version that the editor has edited (None: any). Raises NotFound if there is no such live blog.
        Raises VersionConflict if another version is current. Raises Conflict if breaking news is to need two persons,
        but breaking news is scheduled already. Raises Unauthorized or Forbidden if the principal `by` may not change
        the settings now. Only an owner of the site may take away a rule that asks for two persons; `check_loosening` is
        called before that, and may raise an error.
        """
        at = self._clock()

        def edit(current: Liveblog) -> Liveblog:
            check_version(current, version, current.epoch)
            fields = patch.sent()
            if "embedding" in fields:
                fields["embedding"] = _embedding(patch.embedding)
            if "two_persons" in fields:
                fields["two_persons"] = tuple(kind for kind in TwoPersons if kind in patch.two_persons)
            edited = replace(current, **fields)
            return current if edited == current else replace(edited, updated_at=at)

        liveblog, _ = await self._commit(
            self._store.liveblogs.edit(slug, edit, by, check_loosening=check_loosening),
            lambda written: self._announce(written[0], written[1]),
        )
        return liveblog

    async def create_entry(
        self,
        slug: str,
        entry_input: EntryInput,
        by: Principal,
        *,
        idempotency_key: str | None = None,
    ) -> Written:
        """Create an entry, or return the entry that an earlier request with the same idempotency key has created.

        `idempotency_key`: only requests of the same principal are compared with this one. Raises Unauthorized or
        Forbidden if the principal `by` may not create such an entry when it is written. (For a long body, this is also
        checked before the body is made safe.) Raises InvalidInput if the time doesn't fit the state, the body isn't
        allowed, or an entry to be published is empty. Raises NotFound if there is no such live blog. Raises Busy if too
        many long texts wait to be made safe. Raises Conflict if too many entries would be pinned, or if breaking news
        needs a second person. Raises KeyReused if a different request came with the idempotency key before. Raises Gone
        if the entry that was created with the idempotency key has been deleted.
        """
        at = self._clock()
        refusal: InvalidInput | None = None
        try:
            timing = timing_of_new(timing_change(entry_input), at)
        except InvalidInput as error:
            # If this is a repeated request, its time may have been valid when the request first came. Only the store
            # knows whether the request is repeated. If it isn't, the store raises the error.
            refusal, timing = error, Timing(EntryStatus.DRAFT, None, None)
        entry = await self._new_entry(slug, entry_input, timing, by, at)
        idempotency = None
        if idempotency_key is not None:
            idempotency = idempotency_of(
                idempotency_key, [slug, entry_input.model_dump(mode="json", exclude_unset=True)]
            )
        elif refusal is not None:
            raise refusal
        return await self.write(
            self._store.entries.create(
                slug,
                entry,
                by=by,
                idempotency=idempotency,
                refusal=refusal,
            ),
            by,
        )

    async def edit_entry(
        self,
        slug: str,
        entry_id: str,
        patch: EntryPatch,
        by: Principal,
        *,
        version: EntityVersion | None,
        idempotency_key: str | None = None,
    ) -> Written:
        """Edit an entry, and return the result of the write.

        `version`: the version that the editor has edited (None: any). `idempotency_key`: if a request of the same
        principal with this key has edited the entry already, it isn't edited again. Raises Unauthorized or Forbidden if
        the principal `by` may not make this edit when the entry is written. Raises KeyReused if a different request
        came with the idempotency key before. Raises VersionConflict if the current version isn't `version`. Raises
        Conflict if the entry's state forbids the edit, if too many entries would be pinned, or if breaking news needs a
        second person. Also raises Conflict if the entry was taken over from a source, and the live blog follows a
        source now. Raises InvalidInput. Raises NotFound if there is no such entry. Raises Gone if the entry was
        deleted. Raises Busy if too many long texts wait to be made safe.
        """
        at = self._clock()
        # The body is made safe before the transaction, as other transactions would wait for this one meanwhile.
        body = await self._safe(patch.body, patch.format, by, slug) if "body" in patch.model_fields_set else None
        idempotency = None
        if idempotency_key is not None:
            content = [slug, entry_id, patch.model_dump(mode="json", exclude_unset=True)]
            idempotency = idempotency_of(idempotency_key, content)

        def edit(current: Entry) -> Entry:
            check_version(current, version, None)
            return edited(current, patch, body, at)

        epoch = version.history if version else None
        return await self.write(
            self._store.entries.edit(slug, entry_id, edit, by=by, epoch=epoch, idempotency=idempotency), by
        )

    async def delete_entry(
        self, slug: str, entry_id: str, by: Principal, *, version: EntityVersion | None, confirm: bool = False
    ) -> Removed:
        """Delete an entry permanently. With `confirm`, viewers are asked to confirm that the entry is gone.

        `version`: the version that the editor has seen (None: any). If the deletion needs two persons, the first
        person's call only stores a proposal. Raises NotFound if there is no such entry. Raises Gone if the entry was
        deleted already. Raises VersionConflict if the current version isn't `version`. If `version` is None, also
        raises VersionConflict if the entry was edited since the other person's proposal. Raises Unauthorized or
        Forbidden if the principal `by` may not delete this entry now.
        """
        deletion = self._store.entries.delete(
            slug,
            entry_id,
            lambda current: check_version(current, version, None),
            by=by,
            at=self._clock(),
            epoch=version.history if version else None,
            seen=version is not None,
        )
        return await self.take_down(deletion, by, confirm=confirm)

    async def take_down(self, writing: Coroutine[Any, Any, Written], by: Principal, *, confirm: bool) -> Removed:
        """Run `writing`, which takes an entry down, and tell viewers and desk streams of it.

        `by`: the principal that takes the entry down. `confirm`: True to ask viewers to confirm that the entry is gone.
        Raises the errors of `writing`.
        """
        takedown: Takedown | None = None

        def announce(written: Written) -> None:
            nonlocal takedown
            if confirm and written.change is not None:
                takedown = self._takedowns.begin(written.liveblog.slug, written.entry.id, written.change.seq)
            self._announce(written.liveblog, written.change)
            self.hints.written(written, by)

        written = await self._commit(writing, announce)
        return Removed(written, takedown)

    async def publish_due(self, slug: str, entry_id: str) -> None:
        """Publish a scheduled entry. Does nothing if its time is in the future, or if it isn't scheduled any more.

        Raises NotFound if there is no such entry. Raises Gone if the entry was deleted.
        """
        at = self._clock()

        def edit(current: Entry) -> Entry:
            if current.status is not EntryStatus.SCHEDULED or current.publish_at is None or current.publish_at > at:
                return current
            due = current.publish_at
            return replace(current, status=EntryStatus.PUBLISHED, published_at=due, publish_at=None, updated_at=due)

        try:
            await self.write(self._store.entries.edit(slug, entry_id, edit, by=SCHEDULE), SCHEDULE)
        except Conflict:
            # So many other entries have been pinned meanwhile that this one can't be pinned, too. It is better to
            # publish the entry unpinned than not at all.
            await self.write(
                self._store.entries.edit(
                    slug, entry_id, lambda current: replace(edit(current), pinned=False), by=SCHEDULE
                ),
                SCHEDULE,
            )

    async def take_over(self, writing: Coroutine[Any, Any, Written | None]) -> None:
        """Run `writing`, which stores a change of a source (a live blog on another server, which one of our live blogs
        follows).

        If readers can see the change, it is sent to viewers. Raises the errors of `writing`.
        """

        def announce(written: Written | None) -> None:
            if written is not None:
                self._announce(written.liveblog, written.change)

        await self._commit(writing, announce)

    async def preview(self, slug: str, entry_input: EntryInput, by: Principal, entry_id: str) -> tuple[Liveblog, Entry]:
        """Return the live blog, and the entry as it would be published. Nothing is stored.

        `entry_id`: a placeholder for the entry's id. Raises InvalidInput, NotFound, Busy, Unauthorized and Forbidden as
        `create_entry` does.
        """
        await self._store.permissions.confirm(by, Verb.WRITE, slug)
        liveblog = await self._store.liveblogs.find(slug)
        at = self._clock()
        timing = timing_of_new(timing_change(entry_input), at)
        shown = Timing(EntryStatus.PUBLISHED, None, timing.published_at or timing.publish_at or at)
        entry = await self._new_entry(slug, entry_input, shown, by, at)
        moment = max(at, timing.publish_at) if timing.publish_at else at
        entry = replace(entry, id=entry_id, seq=liveblog.seq + 1, created_at=moment, updated_at=moment)
        check_publishable(entry)
        return liveblog, entry

    async def _new_entry(
        self, slug: str, entry_input: EntryInput, timing: Timing, by: Principal, at: datetime
    ) -> Entry:
        return Entry(
            id=new_id(),
            seq=None,
            version=1,
            status=timing.status,
            heading=entry_input.heading,
            body=await self._safe(entry_input.body, entry_input.format, by, slug),
            authors=tuple(entry_input.authors),
            key_event=entry_input.key_event,
            breaking=entry_input.breaking,
            pinned=entry_input.pinned,
            tags=tuple(entry_input.tags),
            verification=entry_input.verification,
            source=entry_input.source,
            corrections=(),
            publish_at=timing.publish_at,
            published_at=timing.published_at,
            created_at=at,
            updated_at=at,
        )

    async def _safe(self, body: str, markup: str, by: Principal, slug: str) -> str:
        """Return a body made safe; a blank body is made empty. A long body is made safe in a thread.

        `markup`: the format of `body`, `html` or `markdown`. `by`: the principal that sends the body. Each principal
        has a share of the threads, and a long body counts against this share. Raises InvalidInput. Raises Busy if too
        many long texts wait for a thread. If the body is long, raises Unauthorized or Forbidden if the principal may
        not write on this live blog.
        """
        if not body.strip():
            return ""
        if not is_dear(body, markup):
            return safe(body, markup)
        await self._store.permissions.confirm(by, Verb.WRITE, slug)
        return await self._sanitising.run(partial(safe, markup=markup), body, owner=by.ref)

    async def write(self, writing: Coroutine[Any, Any, Written], by: Principal) -> Written:
        """Run `writing`, which stores an entry's change, and tell viewers, desk streams and the scheduler of it.

        `by`: the principal that makes the change. Raises the errors of `writing`.
        """

        def announce(written: Written) -> None:
            self._announce(written.liveblog, written.change)
            self.hints.written(written, by)
            if written.entry.status is EntryStatus.SCHEDULED:
                self.has_scheduled.set()

        return await self._commit(writing, announce)

    def _announce(self, liveblog: Liveblog, change: Change | None) -> None:
        # The hub is told the position at once: after the answer to this request, the editor must not be shown an older
        # state. The hub is told even if this write changed nothing: the position may come from another process's write.
        self._hub.committed(liveblog.slug, Position(liveblog.epoch, liveblog.seq))
        if change is not None:
            # Viewers are sent the change in the next iteration of the event loop. The response to the editor is written
            # in this iteration, so the editor doesn't wait for the fan-out.
            frame = self._presenter.frame(liveblog, change)
            asyncio.get_running_loop().call_soon(self._hub.publish, liveblog.slug, frame)


def idempotency_of(key: str, content: list[Any]) -> Idempotency:
    """Return an idempotency key together with the hash of the request.

    `content`: all values in which a different request would differ.
    """
    return Idempotency(key, hashlib.sha256(json_encoding.dumps(content)).hexdigest())


def _embedding(embedding_input: EmbeddingInput) -> EmbedPolicy:
    return EmbedPolicy(embedding_input.mode, tuple(embedding_input.origins))
