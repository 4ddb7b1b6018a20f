"""The bus: what carries changes from the process that published them to the others. Fast, and allowed to lose."""

from __future__ import annotations

from typing import Protocol


class Receiver(Protocol):
    """What a bus calls, from the event loop. No call may block or raise."""

    def received(self, slug: str, message: bytes) -> None:
        """A message of a live blog that is subscribed. It may be late, doubled, or the receiver's own."""

    def announced(self, message: bytes) -> None:
        """What a process, perhaps the receiver's own, told all others. It may be late or doubled."""

    def link_changed(self, up: bool) -> None:
        """The bus went down, or came back. What was published while it was down is lost."""


class Bus(Protocol):
    """One process's end of the bus.

    `publish` neither waits nor raises: what a bus that is down or full can't take is lost, and the store repairs.
    `subscribe` and `unsubscribe` may be called while it is down; the wish is kept and carried out when it is back.
    """

    @property
    def up(self) -> bool:
        """Whether messages can be expected to arrive."""

    async def start(self, receiver: Receiver) -> None:
        """Begin to deliver to `receiver`. A bus that can't be reached yet is down, not an error."""

    async def close(self) -> None:
        """Stop delivering, and free what is held."""

    def publish(self, slug: str, message: bytes) -> None:
        """Hand `message` to every process that subscribes to the live blog, this one included."""

    def announce(self, message: bytes) -> None:
        """Hand `message` to every other process, whatever it subscribes to."""

    async def subscribe(self, slug: str) -> None:
        """Deliver the live blog's messages from now on; returns when that is in force, or when the bus is down."""

    async def unsubscribe(self, slug: str) -> None:
        """Deliver them no more."""
