"""The bus carries changes from the process that publishes them to other processes. It is fast, but may lose changes."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """The receiver of a bus's messages. The bus calls it on the event loop. No method may block or raise."""

    def received(self, slug: str, message: bytes) -> None:
        """Take a message of a subscribed live blog.

        The message may come late or twice. It may have been published by the receiver's own process.
        """

    def announced(self, message: bytes) -> None:
        """Take an announcement made by a process, perhaps by the receiver's own. It may come late or twice."""

    def link_changed(self, up: bool) -> None:
        """Note that the bus went down (False) or came back (True). Messages published while it was down are lost."""


class Bus(Protocol):
    """One process's end of the bus.

    `publish` neither waits nor raises. If the bus is down or full, the message is lost, and the hub reads the change
    from the store. `subscribe` and `unsubscribe` may be called while the bus is down. They take effect when it is back.
    """

    @property
    def up(self) -> bool:
        """True if, as far as this process knows, the bus works and messages arrive."""

    async def start(self, receiver: Receiver) -> None:
        """Begin to deliver messages to `receiver`. If the bus can't be reached, raises nothing, and `up` is False."""

    async def close(self) -> None:
        """Stop delivering messages, and free all resources."""

    def publish(self, slug: str, message: bytes) -> None:
        """Hand `message` to every process that subscribes to the live blog, this one included."""

    def announce(self, message: bytes) -> None:
        """Hand `message` to every other process, whichever live blogs that process subscribes to.

        This process may get the message, too.
        """

    async def subscribe(self, slug: str) -> None:
        """Deliver the live blog's messages from now on.

        Returns when the subscription has taken effect. If the bus is down or too slow, it returns before that.
        """

    async def unsubscribe(self, slug: str) -> None:
        """Stop delivering the live blog's messages."""
