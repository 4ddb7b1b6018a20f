"""The bus as a hub sees it: it delivers changes to topics. Between processes, a `Bus` carries the changes as bytes.

A change that this process publishes reaches the process's own topics directly, without the `Bus`. Only messages that
come by the `Bus` are decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from liveserver.domain.topic import Topic
from liveserver.protocol.frames import ChangeFrame, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from liveserver.domain.change import Position
    from liveserver.realtime.bus import Bus
    from liveserver.realtime.ports import TopicMessage
    from liveserver.realtime.topics.partner_editions import PartnerEditions


class TopicReceiver(Protocol):
    """The receiver of a `TopicBus`'s messages. Its methods are called on the event loop; none may block or raise."""

    def received(self, topic: Topic, message: TopicMessage, /) -> None:
        """Handle a message of a subscribed topic.

        The message may come late or twice. It may have been published by the receiver's own process.
        """

    def announced(self, message: bytes, /) -> None:
        """Handle an announcement made by a process, which may be the receiver's own process."""

    def link_changed(self, up: bool, /) -> None:
        """Note that the bus went down (False) or came back (True). While it is down, published messages are lost."""


class TopicBus:
    """One process's end of a bus. It delivers each change of a live blog to all subscribed topics of the live blog.

    The promises of `Bus` hold for its methods, too. While the bus is down, `publish` still reaches the topics of this
    process. The `Bus` calls this object as its `Receiver`.
    """

    def __init__(self, bus: Bus, derived: PartnerEditions) -> None:
        self._bus = bus
        self._derived = derived
        self._receiver: TopicReceiver | None = None
        self._topics: dict[str, set[Topic]] = {}
        """The subscribed topics, by the slug of their live blog."""
        self._publishing: bytes | None = None
        """The message that `publish` is handing to the bus now; None outside of `publish`."""

    @property
    def up(self) -> bool:
        """True if, as far as this process knows, the bus works and messages arrive."""
        return self._bus.up

    async def start(self, receiver: TopicReceiver) -> None:
        """Connect to the bus, and begin to deliver messages to `receiver`."""
        self._receiver = receiver
        self._derived.start(receiver)
        await self._bus.start(self)

    async def close(self) -> None:
        """Close the bus, stop delivering messages, and cancel the reads of the store that are under way."""
        await self._bus.close()
        self._receiver = None
        await self._derived.close()

    def publish(self, slug: str, frame: ChangeFrame) -> None:
        """Deliver a change to the live blog's topics in this process, and hand it to the bus for other processes."""
        try:
            # The change is delivered now, and not when the bus brings the message back: the bus may be down.
            self._deliver(slug, frame)
        finally:
            # Even if the delivery in this process fails, viewers of the other processes get the change.
            self._publishing = pack(frame)
            self._bus.publish(slug, self._publishing)
            self._publishing = None

    def announce(self, message: bytes) -> None:
        """Send an announcement to all other processes, with or without subscriptions. This process may get it, too."""
        self._bus.announce(message)

    async def subscribe(self, topic: Topic) -> None:
        """Deliver a topic's messages from now on.

        If the topic is delayed, the changes that it doesn't show yet are read from the store. Only this read raises
        exceptions: NotFound if the live blog doesn't exist, and StoreUnavailable. The topic stays subscribed even so.
        """
        self._topics.setdefault(topic.slug, set()).add(topic)
        self._derived.add(topic)
        await self._bus.subscribe(topic.slug)
        await self._derived.prepare(topic)

    async def unsubscribe(self, topic: Topic) -> None:
        """Stop delivering a topic's messages."""
        topics = self._topics.get(topic.slug, set())
        topics.discard(topic)
        self._derived.remove(topic)
        if not topics:
            self._topics.pop(topic.slug, None)
            await self._bus.unsubscribe(topic.slug)

    def origins(self, topics: Collection[Topic]) -> set[Topic]:
        """Return the live blogs of the delayed topics in `topics`, each as the topic of the whole live blog.

        The caller of `check` must pass the positions of these topics, too.
        """
        return self._derived.origins(topics)

    def check(self, positions: Mapping[Topic, Position]) -> None:
        """Begin to read from the store the changes that the queues of delayed topics lack because the bus lost them.

        `positions`: the store's position of each followed topic, and of each topic that `origins` returned.
        """
        self._derived.check(positions)

    def received(self, slug: str, message: bytes) -> None:
        """Decode a message of a live blog that comes from the bus, and deliver it to the live blog's topics."""
        # The in-process bus brings the message that we publish back at once. It has been delivered already.
        if message is not self._publishing:
            self._deliver(slug, unpack(message))

    def announced(self, message: bytes) -> None:
        """Pass an announcement made by a process on to the receiver."""
        if self._receiver is not None:
            self._receiver.announced(message)

    def link_changed(self, up: bool) -> None:
        """Tell the receiver that the bus went down (False) or came back (True)."""
        if self._receiver is not None:
            self._receiver.link_changed(up)

    def _deliver(self, slug: str, change: ChangeFrame | Position | None) -> None:
        """Deliver a change to the live blog's subscribed topics.

        `change`: the change, or only its position; None for a message that can't be decoded. None is delivered only to
        the topic of the whole live blog, and not to editions.
        """
        topics, whole = self._topics.get(slug, set()), Topic(slug)
        if self._receiver is not None and whole in topics:
            self._receiver.received(whole, change)
        if change is not None and len(topics) > (whole in topics):
            self._derived.derive(sorted(topic for topic in topics if topic.is_edition), change)
