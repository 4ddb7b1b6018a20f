"""The store, read as frames: what the hub and `changes` replay, of whole live blogs and of other views of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.change import EntryChanged, EntryDeleted, Position
from liveserver.domain.ids import now
from liveserver.realtime.channel import Replay
from liveserver.realtime.pending_confirmations import PendingConfirmations

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import datetime

    from liveserver.domain.change import Change, Changes, Withdrawal
    from liveserver.domain.snapshot import Snapshot
    from liveserver.domain.topic import Topic
    from liveserver.protocol.frames import ChangeFrame
    from liveserver.realtime.ports import ChangeEncoder
    from liveserver.store import Store

BATCH = 100
"""Changes read and rendered at a time; between two batches the event loop has its turn."""


class PendingChange(NamedTuple):
    """A change that a delayed topic doesn't show yet."""

    seq: int
    seconds: float
    """Until it does, from when this was asked for; negative if it should already."""


class PendingChanges(NamedTuple):
    """All that waits of a delayed topic."""

    position: Position
    """The whole live blog's."""
    changes: list[PendingChange]
    """Ascending by seq."""
    withdrawals: list[Withdrawal]
    """What the topic still shows, and must not show any more."""


class StoreHistory:
    """The history that the store holds."""

    def __init__(
        self,
        store: Store,
        encoder: ChangeEncoder,
        confirmations: PendingConfirmations | None = None,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._confirmations = PendingConfirmations() if confirmations is None else confirmations
        self._clock = clock

    async def after(self, topic: Topic, position: Position) -> Replay:
        """Everything after a position; the last changes, if it is of another history than the store's.

        A seq beyond the store's gives an empty replay at the store's position.
        """
        frames: list[ChangeFrame] = []
        seq = position.seq
        while True:
            changes, withdrawn = await self.changes(topic, seq, limit=BATCH)
            here = Position(changes.liveblog.epoch, changes.liveblog.seq)
            if here.epoch != position.epoch:
                # Perhaps since the last batch: what was read before must not be mixed with what is there now.
                return await self.recent(topic, here, BATCH)
            frames += await self._encoder.frames(changes)
            if not changes.more:
                # A thing that changed again between two batches stands in both; the later state counts.
                newest = {frame.key: frame for frame in frames}
                ascending = sorted(newest.values(), key=lambda frame: frame.seq)
                return Replay(here, position.seq, ascending, tuple(withdrawn))
            seq = changes.items[-1].seq

    async def recent(self, topic: Topic, here: Position, count: int) -> Replay:
        """The last changes, at most `count` of them up to `here`, where it stood a moment ago."""
        return await self.after(topic, Position(here.epoch, max(0, here.seq - count)))

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        """Where each stands; of a live blog that isn't there, nothing."""
        late = {topic: (topic.slug, self.moment(topic)) for topic in topics if topic.delay}
        prompt = {topic.slug for topic in topics if not topic.delay}
        there = await self._store.changes.positions(prompt) if prompt else {}
        then = await self._store.changes.positions_as_of(set(late.values())) if late else {}
        found = {topic: there[topic.slug] for topic in topics if not topic.delay and topic.slug in there}
        return found | {topic: then[moment] for topic, moment in late.items() if moment in then}

    def moment(self, topic: Topic) -> datetime:
        """As of when a topic that is late shows the live blog."""
        return self._clock() - timedelta(seconds=topic.delay)

    async def pending(self, topic: Topic) -> PendingChanges:
        """What waits of a delayed topic. Raises NotFound and StoreUnavailable."""
        moment = self.moment(topic)
        position, changes, withdrawn = await self._store.changes.since(topic.slug, moment)
        waiting = [PendingChange(seq, (at - moment).total_seconds()) for seq, at in changes]
        return PendingChanges(position, waiting, self._asking(withdrawn))

    async def changes(self, topic: Topic, after: int, *, limit: int) -> tuple[Changes, list[Withdrawal]]:
        """What changed in a topic after a seq, and what its readers must not have any more.

        What the topic doesn't show is deleted, as far as its readers are concerned: they may have had it before.
        """
        withdrawn: list[Withdrawal] = []
        if topic.delay:
            moment = self.moment(topic)
            found, told = await self._store.changes.after_as_of(topic.slug, after, limit=limit, moment=moment)
            withdrawn = self._asking(told)
        else:
            found = await self._store.changes.after(topic.slug, after, limit=limit)
        if topic.tags:
            items: list[Change] = [
                EntryDeleted(change.seq, change.entry.id)
                if isinstance(change, EntryChanged) and not topic.shows(change.entry.tags)
                else change
                for change in found.items
            ]
            found = found._replace(items=items)
        return found, withdrawn

    def _asking(self, withdrawals: Iterable[Withdrawal]) -> list[Withdrawal]:
        """What the store says is gone, and whether readers are to confirm it."""
        return [withdrawal._replace(within=self._confirmations.within(withdrawal.id)) for withdrawal in withdrawals]

    async def snapshot(self, topic: Topic, *, limit: int) -> Snapshot:
        """What a page that shows a topic starts from."""
        moment = self.moment(topic) if topic.delay else None
        return await self._store.liveblogs.snapshot(topic.slug, limit=limit, tags=topic.tags, moment=moment)
