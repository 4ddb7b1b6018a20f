"""Views of live blogs: the topics that leave out what has other tags, or are late.

To the hub all topics are alike, and each has a room of its own. What the bus brings of a live blog, or this process
publishes, is made a message of each of its views here, once for all their viewers: an entry that the view doesn't show
becomes a deletion, and what is late waits in a line. A deletion doesn't wait: the view's readers are told at once that
the entry is gone, and what waits of it loses its words.

Like all that the bus brings, these are hints. What is missing the hub reads from the store, as of the view's moment.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from liveserver.domain.change import Position, Withdrawal
from liveserver.domain.errors import NotFound, StoreUnavailable
from liveserver.domain.topic import Topic
from liveserver.protocol.frames import ChangeFrame, pack, pack_withdrawal, unpack
from liveserver.realtime.topics.delay_queue import DelayQueue
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.realtime.bus import Bus, TopicReceiver
    from liveserver.realtime.channel import Replay
    from liveserver.realtime.history import StoreHistory
    from liveserver.store import Store

MARGIN = 0.002
"""Seconds by which what is read from the store comes later: moments are kept in milliseconds."""


@dataclass(slots=True, eq=False)
class DelayedTopic:
    """A topic that is late."""

    topic: Topic
    check: FreshFlight[None]
    """Reads from the store what the line doesn't know."""
    line: DelayQueue = field(default_factory=DelayQueue)
    """What waits for its time."""
    timer: asyncio.Handle | None = None
    """Rings when the next of it is due."""
    rings_at: float = 0.0
    """When that is, by the event loop's clock. uvloop's handle of a moment that has come can't tell."""

    def stop(self) -> None:
        """Bring nothing of what waits."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class DerivedTopics:
    """Between a hub, whose rooms are of topics, and the bus and the store, which know live blogs.

    Implements both of the hub's ports, `TopicBus` and `History`.
    """

    def __init__(self, store: Store, history: StoreHistory, bus: Bus) -> None:
        self._store = store
        self._history = history
        self._bus = bus
        self._receiver: TopicReceiver | None = None
        self._topics: dict[str, set[Topic]] = {}
        """What is subscribed of each live blog, by its slug."""
        self._late: dict[Topic, DelayedTopic] = {}
        """Those of them that are late."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def up(self) -> bool:
        """Whether messages can be expected to arrive."""
        return self._bus.up

    async def start(self, receiver: TopicReceiver) -> None:
        """Begin to deliver to `receiver`."""
        self._receiver = receiver
        await self._bus.start(self)

    async def close(self) -> None:
        """Stop delivering, and free what is held."""
        await self._bus.close()
        self._receiver = None
        running: list[asyncio.Task[Any]] = list(self._tasks)
        for late in self._late.values():
            late.stop()
            running += late.check.cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def publish(self, slug: str, message: bytes) -> None:
        """Hand a live blog's message to its views here, and to every process."""
        # Not when it comes back: the bus may be down.
        self._derive(slug, message)
        self._bus.publish(slug, message)

    def announce(self, message: bytes) -> None:
        """Hand `message` to every other process."""
        self._bus.announce(message)

    async def subscribe(self, topic: Topic) -> None:
        """Deliver its messages from now on. Raises NotFound and StoreUnavailable for one that is late."""
        self._topics.setdefault(topic.slug, set()).add(topic)
        late = self._late.get(topic)
        if topic.delay and late is None:
            late = self._late[topic] = DelayedTopic(topic, FreshFlight(partial(self._read_into, topic)))
        await self._bus.subscribe(topic.slug)
        # It may have been unsubscribed meanwhile: then there is nothing to read into.
        if late is not None and self._late.get(topic) is late:
            await late.check()

    async def unsubscribe(self, topic: Topic) -> None:
        """Deliver them no more."""
        topics = self._topics.get(topic.slug, set())
        topics.discard(topic)
        if (late := self._late.pop(topic, None)) is not None:
            late.stop()
        if not topics:
            self._topics.pop(topic.slug, None)
            await self._bus.unsubscribe(topic.slug)

    def received(self, slug: str, message: bytes) -> None:
        """A message of a live blog."""
        whole = Topic(slug)
        if self._receiver is not None and whole in self._topics.get(slug, ()):
            self._receiver.received(whole, message)
        self._derive(slug, message)

    def announced(self, message: bytes) -> None:
        """What a process told all others."""
        if self._receiver is not None:
            self._receiver.announced(message)

    def link_changed(self, up: bool) -> None:
        """The bus went down, or came back."""
        if self._receiver is not None:
            self._receiver.link_changed(up)

    async def after(self, topic: Topic, position: Position) -> Replay:
        """Everything after a position; as `History` says."""
        return await self._history.after(topic, position)

    async def recent(self, topic: Topic, here: Position, count: int) -> Replay:
        """The last changes, at most `count` of them up to `here`, where it stood a moment ago."""
        return await self._history.recent(topic, here, count)

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        """Where each stands; the lines hear of what the bus has lost."""
        asked = {late: Topic(topic.slug) for topic in topics if (late := self._late.get(topic)) is not None}
        found = await self._history.positions({*topics, *asked.values()})
        for late, whole in asked.items():
            here = found.get(whole)
            if here is not None and late.line.is_behind(here):
                self._check(late)
        return {topic: found[topic] for topic in topics if topic in found}

    def _derive(self, slug: str, message: bytes) -> None:
        """Make a live blog's message one of each of its views."""
        views = sorted(topic for topic in self._topics.get(slug, ()) if topic.is_view)
        change = unpack(message) if views else None
        if change is None or isinstance(change, Withdrawal):
            return
        tags = _tags_of(change) if isinstance(change, ChangeFrame) and any(view.tags for view in views) else None
        for view in views:
            shown = change
            if isinstance(change, ChangeFrame) and tags is not None and not view.shows(tags):
                shown = change.withdrawn()
            if view.delay:
                self._queue(self._late[view], change, shown)
            else:
                self._deliver(view, shown)

    def _deliver(self, view: Topic, change: ChangeFrame | Position) -> None:
        if self._receiver is not None:
            message = pack(change) if isinstance(change, ChangeFrame) else str(change).encode()
            self._receiver.received(view, message)

    def _queue(self, late: DelayedTopic, change: ChangeFrame | Position, shown: ChangeFrame | Position) -> None:
        """Put a change into a line; `shown` is what the view makes of it."""
        position = change.position if isinstance(change, ChangeFrame) else change
        heard = late.line.heard
        if heard is None or position.epoch != heard.epoch:
            # The line is being read; or the history was replaced, which only the store can tell.
            self._check(late)
            return
        if position.seq > heard.seq + 1:
            # What is missing may be a deletion, which must not wait: if it can't be read now, the poll is to find it.
            self._check(late)
        else:
            late.line.hear(position)
        if isinstance(change, ChangeFrame) and change.deletes:
            # Readers are asked to confirm it now, by the withdrawal, not once more in its turn.
            shown = change.withdrawn()
        late.line.put(position.seq, shown, self._now() + late.topic.delay)
        self._wind(late)
        if isinstance(change, ChangeFrame) and change.deletes:
            self._withdraw(late, Withdrawal(change.key, position.seq, _within_of(change)))

    def _withdraw(self, late: DelayedTopic, withdrawal: Withdrawal) -> None:
        late.line.withdraw(withdrawal.id)
        if self._receiver is not None:
            self._receiver.received(late.topic, pack_withdrawal(withdrawal))

    def _wind(self, late: DelayedTopic) -> None:
        """Set the timer to what is due next."""
        due = late.line.due
        if due is not None and (late.timer is None or late.rings_at > due):
            late.stop()
            late.rings_at = due
            late.timer = asyncio.get_running_loop().call_at(due, self._release, late)

    def _release(self, late: DelayedTopic) -> None:
        late.timer = None
        for change in late.line.take(self._now()):
            self._deliver(late.topic, change)
        self._wind(late)

    def _check(self, late: DelayedTopic) -> None:
        if not late.check.pending:
            task = asyncio.create_task(self._check_now(late))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _check_now(self, late: DelayedTopic) -> None:
        # What isn't read now, the next poll finds.
        with suppress(StoreUnavailable, NotFound):
            await late.check()

    async def _read_into(self, topic: Topic) -> None:
        late = self._late.get(topic)
        if late is None:
            return
        line, began, moment = late.line, self._now(), self._history.moment(topic)
        position, changes, withdrawn = await self._store.pending(topic.slug, moment)
        if self._late.get(topic) is not late:
            return
        if line.heard is None or line.heard.epoch != position.epoch:
            late.stop()
            line.restart(position, changes[0][0] - 1 if changes else position.seq)
        line.hear(position)
        for seq, at in changes:
            line.put(seq, Position(position.epoch, seq), began + (at - moment).total_seconds() + MARGIN)
        self._wind(late)
        for withdrawal in self._history.asking(withdrawn):
            self._withdraw(late, withdrawal)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _within_of(deletion: ChangeFrame) -> int | None:
    """Within how many milliseconds readers are to confirm a deletion; None if they aren't asked."""
    message: Any = orjson.loads(deletion.message)
    return message["confirm"]["within"] if "confirm" in message else None


def _tags_of(change: ChangeFrame) -> list[str] | None:
    """The tags of the entry that was changed; None for any other change."""
    message: Any = orjson.loads(change.message)
    return message["entry"]["tags"] if message["type"] == "entry" else None
