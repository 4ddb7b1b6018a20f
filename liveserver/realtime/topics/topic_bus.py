"""The bus as a hub sees it: with changes of topics, while the bus itself carries bytes of live blogs.

Changes that this process publishes reach its own topics directly. Only messages from the bus are unpacked.
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
    """The receiver that a `TopicBus` calls, on the event loop. No call may block or raise."""

    def received(self, topic: Topic, message: TopicMessage, /) -> None:
        """Take a message of a subscribed topic. It may be late, doubled, or the receiver's own."""

    def announced(self, message: bytes, /) -> None:
        """Take an announcement of a process, perhaps the receiver's own."""

    def link_changed(self, up: bool, /) -> None:
        """Note that the bus went down, or came back. Messages published while it was down are lost."""


class TopicBus:
    """One process's end of a bus, which delivers each change of a live blog to all its topics subscribed here.

    Calls behave as those of `Bus`. Implements the bus's `Receiver`.
    """

    def __init__(self, bus: Bus, derived: PartnerEditions) -> None:
        self._bus = bus
        self._derived = derived
        self._receiver: TopicReceiver | None = None
        self._topics: dict[str, set[Topic]] = {}
        """The topics that are subscribed, by their live blog's slug."""
        self._publishing: bytes | None = None
        """The message that is being handed to the bus; None at other times."""

    @property
    def up(self) -> bool:
        """True if messages can be expected to arrive."""
        return self._bus.up

    async def start(self, receiver: TopicReceiver) -> None:
        """Begin to deliver to `receiver`."""
        self._receiver = receiver
        self._derived.start(receiver)
        await self._bus.start(self)

    async def close(self) -> None:
        """Stop delivering, and free all resources."""
        await self._bus.close()
        self._receiver = None
        await self._derived.close()

    def publish(self, slug: str, frame: ChangeFrame) -> None:
        """Deliver a live blog's change to its topics here, and hand it to the bus for every other process."""
        try:
            # Here, and not when the message comes back: the bus may be down.
            self._deliver(slug, frame)
        finally:
            # Even if the delivery here fails, viewers elsewhere get the change.
            self._publishing = pack(frame)
            self._bus.publish(slug, self._publishing)
            self._publishing = None

    def announce(self, message: bytes) -> None:
        """Hand `message` to every other process."""
        self._bus.announce(message)

    async def subscribe(self, topic: Topic) -> None:
        """Deliver a topic's messages from now on. Raises NotFound and StoreUnavailable if it is delayed."""
        self._topics.setdefault(topic.slug, set()).add(topic)
        self._derived.add(topic)
        await self._bus.subscribe(topic.slug)
        await self._derived.prepare(topic)

    async def unsubscribe(self, topic: Topic) -> None:
        """Deliver a topic's messages no more."""
        topics = self._topics.get(topic.slug, set())
        topics.discard(topic)
        self._derived.remove(topic)
        if not topics:
            self._topics.pop(topic.slug, None)
            await self._bus.unsubscribe(topic.slug)

    def origins(self, topics: Collection[Topic]) -> set[Topic]:
        """Return the whole live blogs whose positions `check` needs, too, to find changes that the bus lost."""
        return self._derived.origins(topics)

    def check(self, positions: Mapping[Topic, Position]) -> None:
        """Read changes of delayed topics that the bus lost, given the store's positions of topics and their origins."""
        self._derived.check(positions)

    def received(self, slug: str, message: bytes) -> None:
        """Take a message of a live blog."""
        # The in-process bus brings our own message back at once: it has been delivered already.
        if message is not self._publishing:
            self._deliver(slug, unpack(message))

    def announced(self, message: bytes) -> None:
        """Pass on an announcement of a process."""
        if self._receiver is not None:
            self._receiver.announced(message)

    def link_changed(self, up: bool) -> None:
        """Pass on that the bus went down, or came back."""
        if self._receiver is not None:
            self._receiver.link_changed(up)

    def _deliver(self, slug: str, change: ChangeFrame | Position | None) -> None:
        """Deliver a live blog's change to its topics; None stands for a message that can't be read."""
        topics, whole = self._topics.get(slug, set()), Topic(slug)
        if self._receiver is not None and whole in topics:
            self._receiver.received(whole, change)
        if change is not None and len(topics) > (whole in topics):
            self._derived.derive(sorted(topic for topic in topics if topic.is_edition), change)
