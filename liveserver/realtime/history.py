"""Reading changes of live blogs and of their editions from the store as frames, for the hub and the API."""

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

    from liveserver.domain.change import Change, Changes, GoneNotice
    from liveserver.domain.snapshot import Snapshot
    from liveserver.domain.topic import Topic
    from liveserver.protocol.frames import ChangeFrame
    from liveserver.realtime.ports import ChangeEncoder
    from liveserver.store import Store

BATCH = 100
"""The greatest number of changes that are read and rendered at a time. After each batch other tasks can run."""


class PendingChange(NamedTuple):
    """A change that a delayed topic doesn't show yet."""

    seq: int
    seconds: float
    """Seconds from the call of `pending` until the topic is to show the change; negative if that time is past."""


class PendingChanges(NamedTuple):
    """All changes that a delayed topic doesn't show yet."""

    position: Position
    """The live blog's present position, without the topic's delay."""
    changes: list[PendingChange]
    """The changes, in ascending order of their seqs."""
    gone: list[GoneNotice]
    """Notices of entries that are gone before the topic shows their deletions."""


class StoreHistory:
    """The history of live blogs, read from the store. Implements `History`."""

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
        """Return a replay of everything that changed after a position.

        If the position has another epoch than the store, the replay has the last BATCH changes of the store's history.
        If the position is later than the store's position, the replay has the store's position and no changes. Raises
        NotFound and StoreUnavailable.
        """
        frames: list[ChangeFrame] = []
        seq = position.seq
        while True:
            changes, notices = await self.changes(topic, seq, limit=BATCH)
            store_position = Position(changes.liveblog.epoch, changes.liveblog.seq)
            if store_position.epoch != position.epoch:
                # A backup may have been restored since the last batch. Changes of the two histories must not be mixed.
                return await self.recent(topic, store_position, BATCH)
            frames += await self._encoder.frames(changes)
            if not changes.more:
                # An entry that changed again between two batches is in both. Only its later state is kept.
                newest = {frame.key: frame for frame in frames}
                ascending = sorted(newest.values(), key=lambda frame: frame.seq)
                return Replay(store_position, position.seq, ascending, tuple(notices))
            seq = changes.items[-1].seq

    async def recent(self, topic: Topic, position: Position, count: int) -> Replay:
        """Return a replay of the last `count` changes up to `position`, and of all changes after `position`.

        `position`: the topic's position, which was read just before. Raises NotFound and StoreUnavailable.
        """
        return await self.after(topic, Position(position.epoch, max(0, position.seq - count)))

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        """Return the position of each topic. If a topic's live blog doesn't exist, the topic isn't in the result.

        Raises StoreUnavailable.
        """
        late = {topic: (topic.slug, self.moment(topic)) for topic in topics if topic.delay}
        prompt = {topic.slug for topic in topics if not topic.delay}
        present = await self._store.changes.positions(prompt) if prompt else {}
        past = await self._store.changes.positions_as_of(set(late.values())) if late else {}
        positions = {topic: present[topic.slug] for topic in topics if not topic.delay and topic.slug in present}
        return positions | {topic: past[moment] for topic, moment in late.items() if moment in past}

    def moment(self, topic: Topic) -> datetime:
        """Return the moment that the topic shows now: the present time (by this object's clock) minus its delay."""
        return self._clock() - timedelta(seconds=topic.delay)

    async def pending(self, topic: Topic) -> PendingChanges:
        """Return the changes that a delayed topic doesn't show yet. Raises NotFound and StoreUnavailable."""
        moment = self.moment(topic)
        position, changes, notices = await self._store.changes.since(topic.slug, moment)
        waiting = [PendingChange(seq, (at - moment).total_seconds()) for seq, at in changes]
        return PendingChanges(position, waiting, self._with_confirmation(notices))

    async def changes(self, topic: Topic, after: int, *, limit: int) -> tuple[Changes, list[GoneNotice]]:
        """Return a topic's first changes after a seq, at most `limit`, and its gone notices.

        The notices are of entries that are gone before the topic shows their deletions. Only a delayed topic has any.

        If the topic doesn't show entries with an entry's tags, a change of this entry becomes a deletion. The reason is
        that readers may still have the entry from a time when its tags were different. Raises NotFound and
        StoreUnavailable.
        """
        notices: list[GoneNotice] = []
        if topic.delay:
            moment = self.moment(topic)
            changes, notices = await self._store.changes.after_as_of(topic.slug, after, limit=limit, moment=moment)
            notices = self._with_confirmation(notices)
        else:
            changes = await self._store.changes.after(topic.slug, after, limit=limit)
        if topic.tags:
            items: list[Change] = [
                EntryDeleted(change.seq, change.entry.id)
                if isinstance(change, EntryChanged) and not topic.shows(change.entry.tags)
                else change
                for change in changes.items
            ]
            changes = changes._replace(items=items)
        return changes, notices

    def _with_confirmation(self, notices: Iterable[GoneNotice]) -> list[GoneNotice]:
        """Return copies of gone notices, with the field `within` taken from the pending confirmations.

        The field is None if viewers aren't asked to confirm.
        """
        return [notice._replace(within=self._confirmations.within(notice.id)) for notice in notices]

    async def snapshot(self, topic: Topic, *, limit: int) -> Snapshot:
        """Return the snapshot that a page of a topic starts with.

        `limit`: the greatest number of entries in the snapshot's list `entries`. It doesn't limit the lists `pinned`
        and `key_events`. Raises NotFound and StoreUnavailable.
        """
        moment = self.moment(topic) if topic.delay else None
        return await self._store.liveblogs.snapshot(topic.slug, limit=limit, tags=topic.tags, moment=moment)
