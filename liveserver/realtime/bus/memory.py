"""The in-process bus, which is the default. It can connect several hubs in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liveserver.realtime.bus.port import Receiver


class Medium:
    """The medium that connects the ends of an in-process bus. Each hub has one end."""

    def __init__(self) -> None:
        self.ends: set[MemoryBus] = set()


class MemoryBus:
    """One end of an in-process bus. If the bus has no other end, published messages reach only their publisher."""

    def __init__(self, medium: Medium | None = None) -> None:
        self._medium = medium or Medium()
        self._slugs: set[str] = set()
        self._receiver: Receiver | None = None

    @property
    def up(self) -> bool:
        return self._receiver is not None

    async def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._medium.ends.add(self)
        receiver.link_changed(True)

    async def close(self) -> None:
        self._medium.ends.discard(self)
        self._receiver = None

    def publish(self, slug: str, message: bytes) -> None:
        for end in list(self._medium.ends):
            end.deliver(slug, message)

    def announce(self, message: bytes) -> None:
        for end in list(self._medium.ends):
            if end is not self:
                end.deliver_announcement(message)

    async def subscribe(self, slug: str) -> None:
        self._slugs.add(slug)

    async def unsubscribe(self, slug: str) -> None:
        self._slugs.discard(slug)

    def deliver(self, slug: str, message: bytes) -> None:
        """Hand a live blog's message to this end's receiver, if this end subscribes to the live blog."""
        if self._receiver is not None and slug in self._slugs:
            self._receiver.received(slug, message)

    def deliver_announcement(self, message: bytes) -> None:
        """Hand an announcement to this end's receiver."""
        if self._receiver is not None:
            self._receiver.announced(message)
