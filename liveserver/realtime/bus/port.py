"""The bus carries changes from the process that published them to the others. It is fast, and may lose messages."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """The receiver that a bus calls, on the event loop. No call may block or raise."""

    def received(self, slug: str, message: bytes) -> None:
        """Take a message of a subscribed live blog. It may be late, doubled, or the receiver's own."""

    def announced(self, message: bytes) -> None:
        """Take an announcement of a process, perhaps the receiver's own. It may be late or doubled."""

    def link_changed(self, up: bool) -> None:
        """Note that the bus went down, or came back. Messages published while it was down are lost."""


class Bus(Protocol):
    """One process's end of the bus.

    `publish` neither waits nor raises: if the bus is down or full, the message is lost, and the hub repairs that from
    the store. `subscribe` and `unsubscribe` may be called while the bus is down; they take effect when it is back.
    """

    @property
    def up(self) -> bool:
        """True if messages can be expected to arrive."""

    async def start(self, receiver: Receiver) -> None:
        """Begin to deliver to `receiver`. A bus that can't be reached yet is down, not an error."""

    async def close(self) -> None:
        """Stop delivering, and free all resources."""

    def publish(self, slug: str, message: bytes) -> None:
        """Hand `message` to every process that subscribes to the live blog, this one included."""

    def announce(self, message: bytes) -> None:
        """Hand `message` to every other process, whatever it subscribes to."""

    async def subscribe(self, slug: str) -> None:
        """Deliver the live blog's messages from now on; return when that has taken effect, or when the bus is down."""

    async def unsubscribe(self, slug: str) -> None:
        """Deliver the live blog's messages no more."""
