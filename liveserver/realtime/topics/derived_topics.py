"""The topics that are made of a live blog's changes: those with certain tags only, and those that are delayed.

Each change is made one of each derived topic, once for all its viewers. An entry that the topic doesn't show becomes a
deletion. What is delayed waits in a queue. A deletion doesn't wait: the topic's viewers are told at once that the entry
is gone, and what waits of it loses its content.

As all that the bus brings, these changes are hints. What is missing the hub reads from the store, as of the topic's
moment.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from liveserver.domain.change import Position, Withdrawal
from liveserver.domain.errors import NotFound, StoreUnavailable
from liveserver.domain.topic import Topic
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime.topics.delay_queue import DelayQueue
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from liveserver.realtime.history import StoreHistory
    from liveserver.realtime.topics.topic_bus import TopicReceiver

MARGIN = 0.002
"""Seconds by which what is read from the store comes later: moments are kept in milliseconds."""


@dataclass(slots=True, eq=False)
class DelayedTopic:
    """A topic that is delayed, and what waits for its time."""

    topic: Topic
    check: FreshFlight[None]
    """Reads from the store what the queue doesn't know."""
    queue: DelayQueue = field(default_factory=DelayQueue)
    timer: asyncio.Handle | None = None
    """Rings when the next change is due."""
    rings_at: float = 0.0
    """When that is, by the event loop's clock. uvloop's handle of a moment that has come can't tell."""

    def stop(self) -> None:
        """Release nothing of what waits."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class DerivedTopics:
    """Derives changes of topics from those of live blogs. Topics that are neither filtered nor delayed pass it by."""

    def __init__(self, history: StoreHistory) -> None:
        self._history = history
        self._receiver: TopicReceiver | None = None
        self._delayed: dict[Topic, DelayedTopic] = {}
        self._tasks = BackgroundTasks()

    def start(self, receiver: TopicReceiver) -> None:
        """Begin to deliver to `receiver`."""
        self._receiver = receiver

    async def close(self) -> None:
        """Stop delivering, and end the reads under way."""
        self._receiver = None
        running = self._tasks.cancel()
        for delayed in self._delayed.values():
            delayed.stop()
            running += delayed.check.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def add(self, topic: Topic) -> None:
        """Have changes for a topic wait from now on, if it is delayed; they do once `prepare` has returned."""
        if topic.delay and topic not in self._delayed:
            self._delayed[topic] = DelayedTopic(topic, FreshFlight(partial(self._read_into, topic)))

    async def prepare(self, topic: Topic) -> None:
        """Read what waits of a delayed topic, unless it was removed. Raises NotFound and StoreUnavailable."""
        if (delayed := self._delayed.get(topic)) is not None:
            await delayed.check()

    def remove(self, topic: Topic) -> None:
        """Drop what waits of a topic; one that is unknown is no error."""
        if (delayed := self._delayed.pop(topic, None)) is not None:
            delayed.stop()

    def origins(self, topics: Iterable[Topic]) -> set[Topic]:
        """The whole live blogs of those topics that are delayed."""
        return {Topic(topic.slug) for topic in topics if topic in self._delayed}

    def check(self, positions: Mapping[Topic, Position]) -> None:
        """Have read what was lost, given the store's positions of topics and of their `origins`."""
        for topic, delayed in self._delayed.items():
            origin = positions.get(Topic(topic.slug)) if topic in positions else None
            if origin is not None and delayed.queue.is_behind(origin):
                self._check(delayed)

    def derive(self, topics: Iterable[Topic], change: ChangeFrame | Position) -> None:
        """Make a live blog's change one of each of these topics of it, all of which are derived, and deliver them."""
        deletion: ChangeFrame | None = None
        for topic in topics:
            shown = change
            if isinstance(change, ChangeFrame) and topic.tags:
                tags = change.details.tags
                if tags is not None and not topic.shows(tags):
                    shown = deletion = deletion or change.withdrawn()
            if topic.delay:
                self._queue(self._delayed[topic], change, shown)
            else:
                self._deliver(topic, shown)

    def _deliver(self, topic: Topic, message: ChangeFrame | Position | Withdrawal) -> None:
        if self._receiver is not None:
            self._receiver.received(topic, message)

    def _queue(self, delayed: DelayedTopic, change: ChangeFrame | Position, shown: ChangeFrame | Position) -> None:
        """Put a change into a queue; `shown` is what the topic makes of it."""
        position = change.position if isinstance(change, ChangeFrame) else change
        known = delayed.queue.position
        if known is None or position.epoch != known.epoch:
            # The queue is being filled; or the history was replaced, which only the store can tell.
            self._check(delayed)
            return
        if position.seq > known.seq + 1:
            # What is missing may be a deletion, which must not wait: if it can't be read now, the poll is to find it.
            self._check(delayed)
        else:
            delayed.queue.note_position(position)
        deletes = isinstance(change, ChangeFrame) and change.deletes
        if isinstance(change, ChangeFrame) and deletes:
            # Viewers are asked to confirm it now, by the withdrawal, not once more in its turn.
            shown = change.withdrawn()
        delayed.queue.put(position.seq, shown, self._now() + delayed.topic.delay)
        self._wind(delayed)
        if isinstance(change, ChangeFrame) and deletes:
            self._withdraw(delayed, Withdrawal(change.key, position.seq, change.details.confirm_within))

    def _withdraw(self, delayed: DelayedTopic, withdrawal: Withdrawal) -> None:
        delayed.queue.withdraw(withdrawal.id)
        self._deliver(delayed.topic, withdrawal)

    def _wind(self, delayed: DelayedTopic) -> None:
        """Set the timer to what is due next."""
        due = delayed.queue.due
        if due is not None and (delayed.timer is None or delayed.rings_at > due):
            delayed.stop()
            delayed.rings_at = due
            delayed.timer = asyncio.get_running_loop().call_at(due, self._release, delayed)

    def _release(self, delayed: DelayedTopic) -> None:
        """Deliver what is due."""
        delayed.timer = None
        for change in delayed.queue.take(self._now()):
            self._deliver(delayed.topic, change)
        self._wind(delayed)

    def _check(self, delayed: DelayedTopic) -> None:
        if not delayed.check.pending:
            self._tasks.spawn(self._check_now(delayed))

    async def _check_now(self, delayed: DelayedTopic) -> None:
        # What isn't read now, the next poll finds.
        with suppress(StoreUnavailable, NotFound):
            await delayed.check()

    async def _read_into(self, topic: Topic) -> None:
        """Put what waits in the store into the topic's queue."""
        delayed = self._delayed.get(topic)
        if delayed is None:
            return
        queue, began = delayed.queue, self._now()
        position, changes, withdrawals = await self._history.pending(topic)
        if self._delayed.get(topic) is not delayed:
            return
        if queue.position is None or queue.position.epoch != position.epoch:
            delayed.stop()
            queue.restart(position, changes[0].seq - 1 if changes else position.seq)
        queue.note_position(position)
        for change in changes:
            queue.put(change.seq, Position(position.epoch, change.seq), began + change.seconds + MARGIN)
        self._wind(delayed)
        for withdrawal in withdrawals:
            self._withdraw(delayed, withdrawal)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
