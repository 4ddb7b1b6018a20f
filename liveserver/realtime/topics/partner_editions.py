"""Editions of live blogs: topics that show only entries with certain tags, and topics that are delayed.

A live blog's change is converted once for each edition, and all viewers of the edition get the result. If the edition
doesn't show entries with an entry's tags, a change of this entry becomes a deletion.

Changes of a delayed edition wait in a queue. But if an entry is deleted, the edition's viewers get a message at once
that the entry is gone, and the entry's waiting changes become deletions.

If the bus loses a change, the hub reads from the store what the edition shows now.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from liveserver.domain.change import GoneNotice, Position
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
"""Seconds added to each due time computed from the store's data, because the store keeps whole milliseconds only."""


@dataclass(slots=True, eq=False)
class DelayedTopic:
    """A delayed topic, with the queue of its waiting changes and the timer that releases them."""

    topic: Topic
    check: FreshFlight[None]
    """The function that reads changes from the store into the queue. Calls during a run all wait for one more run."""
    queue: DelayQueue = field(default_factory=DelayQueue)
    timer: asyncio.Handle | None = None
    """The timer that releases the next change; None while no change waits."""
    rings_at: float = 0.0
    """The event loop's time at which the timer is due.

    It is kept here because uvloop's handle doesn't have the time if the timer is due at once.
    """

    def stop(self) -> None:
        """Stop the timer, so that no waiting change is released any more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class PartnerEditions:
    """The editions that somebody follows in this process. The changes of a delayed edition wait in a queue."""

    def __init__(self, history: StoreHistory) -> None:
        self._history = history
        self._receiver: TopicReceiver | None = None
        self._delayed: dict[Topic, DelayedTopic] = {}
        self._tasks = BackgroundTasks()

    def start(self, receiver: TopicReceiver) -> None:
        """Begin to deliver the editions' messages to `receiver`."""
        self._receiver = receiver

    async def close(self) -> None:
        """Stop delivering messages, and cancel the reads of the store that are under way."""
        self._receiver = None
        running = self._tasks.cancel()
        for delayed in self._delayed.values():
            delayed.stop()
            running += delayed.check.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def add(self, topic: Topic) -> None:
        """Add a delayed topic with an empty queue, which `prepare` fills. Does nothing if the topic isn't delayed."""
        if topic.delay and topic not in self._delayed:
            self._delayed[topic] = DelayedTopic(topic, FreshFlight(partial(self._read_into, topic)))

    async def prepare(self, topic: Topic) -> None:
        """Read from the store the changes that a delayed topic doesn't show yet, and put them into the topic's queue.

        Does nothing if the topic isn't delayed, or was removed. Raises NotFound and StoreUnavailable.
        """
        if (delayed := self._delayed.get(topic)) is not None:
            await delayed.check()

    def remove(self, topic: Topic) -> None:
        """Remove a delayed topic and its waiting changes. Does nothing if it isn't delayed, or wasn't added."""
        if (delayed := self._delayed.pop(topic, None)) is not None:
            delayed.stop()

    def origins(self, topics: Iterable[Topic]) -> set[Topic]:
        """Return the live blogs of the delayed topics in `topics`, each as the topic of the whole live blog."""
        return {Topic(topic.slug) for topic in topics if topic in self._delayed}

    def check(self, positions: Mapping[Topic, Position]) -> None:
        """Begin to read from the store the changes that the queues of delayed topics lack.

        `positions`: the store's position of each followed topic, and of each topic that `origins` returned.
        """
        for topic, delayed in self._delayed.items():
            origin = positions.get(Topic(topic.slug)) if topic in positions else None
            if origin is not None and delayed.queue.is_behind(origin):
                self._check(delayed)

    def derive(self, topics: Iterable[Topic], change: ChangeFrame | Position) -> None:
        """Convert a live blog's change for each of its editions in `topics`, and deliver it to the edition.

        If the edition is delayed, the change is put into the edition's queue instead. `change`: the change, or only its
        position, which isn't converted.
        """
        deletion: ChangeFrame | None = None
        for topic in topics:
            shown = change
            if isinstance(change, ChangeFrame) and topic.tags:
                tags = change.details.tags
                if tags is not None and not topic.shows(tags):
                    shown = deletion = deletion or change.as_deletion()
            if topic.delay:
                self._queue(self._delayed[topic], change, shown)
            else:
                self._deliver(topic, shown)

    def _deliver(self, topic: Topic, message: ChangeFrame | Position | GoneNotice) -> None:
        if self._receiver is not None:
            self._receiver.received(topic, message)

    def _queue(self, delayed: DelayedTopic, change: ChangeFrame | Position, shown: ChangeFrame | Position) -> None:
        """Put a change into a delayed topic's queue.

        `change`: the live blog's change. `shown`: the same change as converted for the topic, which goes into the
        queue. If `change` is a deletion, the viewers are told at once. If the queue lacks earlier changes, begins to
        read these from the store. If the queue isn't filled yet, or has another epoch, does nothing but this read.
        """
        position = change.position if isinstance(change, ChangeFrame) else change
        last_position = delayed.queue.position
        if last_position is None or position.epoch != last_position.epoch:
            # The queue is being filled. Or a backup was restored; only the store tells that for sure.
            self._check(delayed)
            return
        if position.seq > last_position.seq + 1:
            # Changes are missing. One may be a deletion, which must not wait. If they can't be read now, the next poll
            # will notice that.
            self._check(delayed)
        else:
            delayed.queue.note_position(position)
        deletes = isinstance(change, ChangeFrame) and change.deletes
        if isinstance(change, ChangeFrame) and deletes:
            # Viewers confirm the gone notice, which they get now. They must not be asked again when the deletion comes.
            shown = change.as_deletion()
        delayed.queue.put(position.seq, shown, self._now() + delayed.topic.delay)
        self._wind(delayed)
        if isinstance(change, ChangeFrame) and deletes:
            self._tell_gone(delayed, GoneNotice(change.key, position.seq, change.details.confirm_within))

    def _tell_gone(self, delayed: DelayedTopic, notice: GoneNotice) -> None:
        delayed.queue.delete(notice.id, notice.seq)
        self._deliver(delayed.topic, notice)

    def _wind(self, delayed: DelayedTopic) -> None:
        """Set the topic's timer to the time when the next change is due. Does nothing if no change waits."""
        due = delayed.queue.due
        if due is not None and (delayed.timer is None or delayed.rings_at > due):
            delayed.stop()
            delayed.rings_at = due
            delayed.timer = asyncio.get_running_loop().call_at(due, self._release, delayed)

    def _release(self, delayed: DelayedTopic) -> None:
        """Deliver the changes that are due now, and set the timer again. Called by the topic's timer."""
        delayed.timer = None
        for change in delayed.queue.take(self._now()):
            self._deliver(delayed.topic, change)
        self._wind(delayed)

    def _check(self, delayed: DelayedTopic) -> None:
        if not delayed.check.pending:
            self._tasks.spawn(self._check_now(delayed))

    async def _check_now(self, delayed: DelayedTopic) -> None:
        # If the read fails, the next poll finds the changes.
        with suppress(StoreUnavailable, NotFound):
            await delayed.check()

    async def _read_into(self, topic: Topic) -> None:
        """Read from the store the changes that a delayed topic doesn't show yet, and put them into the topic's queue.

        If these changes include deletions, viewers are told at once that the entries are gone. Does nothing if the
        topic was removed. Raises NotFound and StoreUnavailable.
        """
        delayed = self._delayed.get(topic)
        if delayed is None:
            return
        queue, start = delayed.queue, self._now()
        position, changes, notices = await self._history.pending(topic)
        if self._delayed.get(topic) is not delayed:
            return
        if queue.position is None or queue.position.epoch != position.epoch:
            delayed.stop()
            queue.restart(position, changes[0].seq - 1 if changes else position.seq)
        queue.note_position(position)
        for change in changes:
            queue.put(change.seq, Position(position.epoch, change.seq), start + change.seconds + MARGIN)
        self._wind(delayed)
        for notice in notices:
            self._tell_gone(delayed, notice)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
