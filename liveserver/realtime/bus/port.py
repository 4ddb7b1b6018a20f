"""The port of the bus, which carries changes from one process to the others. It is fast, but may lose changes."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """The receiver of a bus's messages. The bus calls its methods on the event loop. No method may block or raise."""

    def received(self, slug: str, message: bytes) -> None:
        """Handle a message of a subscribed live blog.

        The message may come late or twice. It may have been published by the receiver's own process.
        """

    def announced(self, message: bytes) -> None:
        """Handle an announcement made by a process.

        The announcement may come late or twice. It may have been made by the receiver's own process.
        """

    def link_changed(self, up: bool) -> None:
        """Note that the bus is up now (True) or down (False). While it is down, published messages are lost."""


class Bus(Protocol):
    """One process's end of the bus.

    `publish` and `announce` return at once, and raise nothing. If the bus is down or full, the message is lost. The hub
    reads lost changes from the store. `subscribe` and `unsubscribe` may be called while the bus is down. In that case,
    they take effect when the bus is back.
    """

    @property
    def up(self) -> bool:
        """True if, as far as this process knows, the bus works and messages arrive."""

    async def start(self, receiver: Receiver) -> None:
        """Connect to the bus, and begin to deliver messages to `receiver`.

        Returns after the first attempt to connect. If it failed, `up` is False, nothing is raised, and further attempts
        follow in the background.
        """

    async def close(self) -> None:
        """Stop delivering messages, and free all resources."""

    def publish(self, slug: str, message: bytes) -> None:
        """Hand `message` to every process that subscribes to the live blog. This process may be one of them."""

    def announce(self, message: bytes) -> None:
        """Hand `message` to all other processes, even if they subscribe to no live blog.

        This process may get the message, too.
        """

    async def subscribe(self, slug: str) -> None:
        """Deliver the live blog's messages from now on.

        Returns when the subscription has taken effect. If the bus is down, returns at once. If the bus is slow, returns
        after some seconds, and the subscription may take effect later. Raises nothing.
        """

    async def unsubscribe(self, slug: str) -> None:
        """Stop delivering the live blog's messages."""
