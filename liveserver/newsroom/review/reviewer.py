"""The actions by which several people work on an entry: it is handed in, approved, returned, withdrawn or erased."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from liveserver.domain.ids import now
from liveserver.newsroom.publisher import idempotency_of
from liveserver.store.repositories.review.removals import Removal
from liveserver.store.repositories.review.steps import Step

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.people.principal import Principal
    from liveserver.newsroom.publisher import Publisher, Removed
    from liveserver.store import Idempotency, Store, Written


class EntryRef(NamedTuple):
    """An entry as a request names it."""

    slug: str
    id: str
    version: EntityVersion | None = None
    """The version that the sender of the request has seen; None for any."""
    idempotency_key: str | None = None
    """The request's idempotency key, so that a repeated request changes nothing; None if there is none."""

    def idempotency(self, action: str, **content: Any) -> Idempotency | None:
        """Return the idempotency key together with the hash of the request; None if there is no key.

        `action`: the kind of the request, such as "submit". `content`: further values in which requests may differ.
        """
        if self.idempotency_key is None:
            return None
        return idempotency_of(self.idempotency_key, [action, self.slug, self.id, content])


class Reviewer:
    """The actions of a review, and withdrawals and erasures. Each is one transaction of the store."""

    def __init__(self, store: Store, publisher: Publisher, *, clock: Callable[[], datetime] = now) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock

    async def submit(self, entry: EntryRef, by: Principal, *, publish_at: datetime | None) -> Written:
        """Hand a draft in for review: the version that `entry` names.

        `publish_at`: the time of publication; None for as soon as it is approved.
        Raises Conflict if the entry isn't a draft. Raises InvalidInput if it has neither heading nor body, or if the
        time isn't in the future. Raises the errors of every write of an entry: NotFound, Gone, VersionConflict,
        KeyReused, Unauthorized and Forbidden.
        """
        key = entry.idempotency("submit", version=list(entry.version or ()), publish_at=publish_at)
        step = self._step(entry, by, key)
        return await self._publisher.write(self._store.reviews.submit(step, publish_at=publish_at), by)

    async def approve(self, entry: EntryRef, by: Principal) -> Written:
        """Publish an entry that was handed in, or schedule it if it was handed in for a later time.

        Raises Conflict if the entry doesn't wait for review, if it is breaking news that another person has to approve,
        or if too many entries would be pinned. Also raises the errors of every write of an entry (see `submit`).
        """
        step = self._step(entry, by, entry.idempotency("approve", version=list(entry.version or ())))
        return await self._publisher.write(self._store.reviews.approve(step), by)

    async def give_back(self, entry: EntryRef, by: Principal, reason: str) -> Written:
        """Turn an entry that waits for review into a draft again. The reason is shown to its author.

        Raises Conflict if the entry doesn't wait for review. Also raises the errors of every write of an entry (see
        `submit`).
        """
        step = self._step(entry, by, entry.idempotency("return", reason=reason))
        return await self._publisher.write(self._store.reviews.give_back(step, reason), by)

    async def withdraw(self, entry: EntryRef, by: Principal, *, confirm: bool = False) -> Removed:
        """Turn a published, scheduled or handed-in entry into a draft. The newsroom keeps its text.

        `confirm`: True to ask viewers to confirm that the entry is gone. If the withdrawal needs two persons, the first
        person's call only stores a proposal. Raises Conflict if the entry is a draft already, or if it was taken over
        from a source, and the live blog follows a source now. Also raises the errors of every write of an entry (see
        `submit`).
        """
        removal = self._removal(entry, by, entry.idempotency("withdraw"))
        return await self._publisher.take_down(self._store.reviews.withdraw(removal), by, confirm=confirm)

    async def erase(self, entry: EntryRef, by: Principal, *, confirm: bool = False) -> Removed:
        """Delete an entry, if it isn't deleted already, and empty its revisions and notes in the database.

        `confirm`: True to ask viewers to confirm that the entry is gone. If the erasure needs two persons, the first
        person's call only stores a proposal. Raises NotFound, VersionConflict, and Unauthorized or Forbidden.
        """
        removal = self._removal(entry, by, None)
        return await self._publisher.take_down(self._store.reviews.erase(removal), by, confirm=confirm)

    def _step(self, entry: EntryRef, by: Principal, idempotency: Idempotency | None) -> Step:
        return Step(entry.slug, entry.id, by, self._clock(), entry.version, idempotency)

    def _removal(self, entry: EntryRef, by: Principal, idempotency: Idempotency | None) -> Removal:
        return Removal(entry.slug, entry.id, by, self._clock(), entry.version, idempotency)
