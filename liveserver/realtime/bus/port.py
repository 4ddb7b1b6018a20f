"""The bus carries changes from the process that publishes them to other processes. It is fast, but may lose changes."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """The receiver of a bus's messages. The bus calls it on the event loop. No method may block or raise."""

    def received(self, slug: str, message: bytes) -> None:
        """Handle a message of a subscribed live blog.

        The message may come late or twice. It may have been published by the receiver's own process.
        """

    def announced(self, message: bytes) -> None:
        """Handle an announcement made by a process. It may come late or twice, and from the receiver's own process."""

    def link_changed(self, up: bool) -> None:
        """Note that the bus went down (False) or came back (True). While it is down, published messages are lost."""


class Bus(Protocol):
    """One process's end of the bus.

    `publish` returns at once, and raises nothing. If the bus is down or full, the message is lost, and the hub reads
    the change from the store. `subscribe` and `unsubscribe` may be called while the bus is down. In that case, they
    take effect when the bus is back.
    """

    @property
    def up(self) -> bool:
        """True if, as far as this process knows, the bus works and messages arrive."""

    async def start(self, receiver: Receiver) -> None:
        """Begin to deliver messages to `receiver`. If the bus can't be reached, `up` is False. Nothing is raised."""

    async def close(self) -> None:
        """Stop delivering messages, and free all resources."""

    def publish(self, slug: str, message: bytes) -> None:
        """Hand `message` to every process that subscribes to the live blog, including this process."""

    def announce(self, message: bytes) -> None:
        """Hand `message` to all other processes, even if they subscribe to no live blog.

        This process may get the message, too.
        """

    async def subscribe(self, slug: str) -> None:
        """Deliver the live blog's messages from now on.

        Returns when the subscription has taken effect. If the bus is down or too slow, this method returns earlier.
        """

    async def unsubscribe(self, slug: str) -> None:
        """Stop delivering the live blog's messages."""
