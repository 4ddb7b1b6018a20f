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
    """The request's idempotency key: the request is done once."""

    def idempotency(self, action: str, **content: Any) -> Idempotency | None:
        """Return the idempotency key with the hash of what the request asks for; None without a key."""
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
        """Hand a draft in for review. `publish_at`: the time of publication; None for as soon as it is approved.

        Raises Conflict if the entry isn't a draft. Raises InvalidInput if it has neither heading nor body, or if the
        time isn't in the future. Raises the errors of every write of an entry: NotFound, Gone, VersionConflict,
        KeyReused, Unauthorized and Forbidden.
        """
        step = self._step(entry, by, entry.idempotency("submit", publish_at=publish_at))
        return await self._publisher.write(self._store.reviews.submit(step, publish_at=publish_at), by)

    async def approve(self, entry: EntryRef, by: Principal) -> Written:
        """Publish or schedule the very version that the principal has seen of an entry that was handed in.

        Raises Conflict if the entry doesn't wait for review, or needs a second person. Also raises the errors of every
        write of an entry.
        """
        step = self._step(entry, by, entry.idempotency("approve", version=list(entry.version or ())))
        return await self._publisher.write(self._store.reviews.approve(step), by)

    async def give_back(self, entry: EntryRef, by: Principal, reason: str) -> Written:
        """Return an entry that was handed in to its author, as a draft, with the reason.

        Raises Conflict if the entry doesn't wait for review, and the errors of every write of an entry.
        """
        step = self._step(entry, by, entry.idempotency("return", reason=reason))
        return await self._publisher.write(self._store.reviews.give_back(step, reason), by)

    async def withdraw(self, entry: EntryRef, by: Principal, *, confirm: bool = False) -> Removed:
        """Make a draft of an entry that is published, scheduled or handed in. Its text stays in the newsroom.

        `confirm`: True to ask viewers to confirm that the entry is gone. If two persons are needed, the first one's
        call only notes a proposal. Raises Conflict if the entry is a draft already, and the errors of every write.
        """
        removal = self._removal(entry, by, entry.idempotency("withdraw"))
        return await self._publisher.take_down(self._store.reviews.withdraw(removal), by, confirm=confirm)

    async def erase(self, entry: EntryRef, by: Principal, *, confirm: bool = False) -> Removed:
        """Delete an entry, and empty all that the database has of its content. It may be deleted already.

        `confirm`: True to ask viewers to confirm that the entry is gone. If two persons are needed, the first one's
        call only notes a proposal. Raises the errors of every write.
        """
        removal = self._removal(entry, by, None)
        return await self._publisher.take_down(self._store.reviews.erase(removal), by, confirm=confirm)

    def _step(self, entry: EntryRef, by: Principal, idempotency: Idempotency | None) -> Step:
        return Step(entry.slug, entry.id, by, self._clock(), entry.version, idempotency)

    def _removal(self, entry: EntryRef, by: Principal, idempotency: Idempotency | None) -> Removal:
        return Removal(entry.slug, entry.id, by, self._clock(), entry.version, idempotency)
