"""What the hub has of each live blog that somebody reads: its room, whence it is read, and how its viewers see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from liveserver.view import slug_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Collection

    from liveserver.channel import Channel, Replay
    from liveserver.coalescing import Coalesced
    from liveserver.hub import Hub
    from liveserver.model import Position
    from liveserver.sink import Sink


class History(Protocol):
    """Where the hub reads what it doesn't have. Raises NotFound and StoreUnavailable."""

    async def after(self, slug: str, position: Position) -> Replay:
        """Everything after a position; the last changes, if it is of another history than the store's.

        A seq beyond the store's gives an empty replay at the store's position.
        """

    async def recent(self, slug: str, count: int) -> Replay:
        """The last changes, at most `count`."""

    async def positions(self, slugs: Collection[str]) -> dict[str, Position]:
        """Where each live blog stands."""


@dataclass(slots=True)
class Room:
    """A live blog in memory, and the reads under way for it."""

    channel: Channel
    refresh: Coalesced[None]
    """Reads what the store has beyond the channel, and delivers it."""
    idle_since: float | None
    """Since when nobody reads it here."""
    heard: Position
    """How far the store was last known to have got: the channel may be about to follow."""
    replay: tuple[Position, asyncio.Task[Replay]] | None = None
    """A read from a position on, for viewers that memory doesn't cover."""
    grace: bool = False
    """Whether a missing change is being waited for."""
    pumping: bool = False
    """Whether the next slice of the backlog has been scheduled."""

    @property
    def liveblog(self) -> str:
        """The slug of what its viewers read, all of it or a view of it."""
        return slug_of(self.channel.slug)

    def hear(self, position: Position) -> None:
        """Note a position that the store has reached."""
        if position.epoch != self.heard.epoch or position.seq > self.heard.seq:
            self.heard = position


class Witness(Protocol):
    """Who is told of viewers, one by one. No call may block, raise, or call the hub back from within."""

    def came(self, slug: str, sink: Sink, /) -> None:
        """A viewer of the live blog was registered, be it of all of it or of a partner's view."""

    def said(self, slug: str, sink: Sink, message: bytes, /) -> None:
        """A viewer sent a short text message."""

    def left(self, slug: str, sink: Sink, /) -> None:
        """A viewer that had come isn't there any more."""

    def announced(self, message: bytes, /) -> None:
        """A node, perhaps this one, told all others something."""


class Audience:
    """The hub, as the viewers of one live blog know it."""

    __slots__ = ("_hub", "_slug")

    def __init__(self, hub: Hub, slug: str) -> None:
        self._hub = hub
        self._slug = slug

    async def enter(self) -> None:
        """Have the live blog in memory. Raises Draining, NotFound and StoreUnavailable."""
        await self._hub.enter(self._slug)

    async def join(self, sink: Sink, after: Position | None, /) -> None:
        """Let a viewer in. Raises NotFound, StoreUnavailable and Draining."""
        await self._hub.join(self._slug, sink, after)

    def drained(self, sink: Sink, /) -> None:
        """The viewer had refused a message, and can be written to again."""
        self._hub.drained(self._slug, sink)

    def said(self, sink: Sink, message: bytes, /) -> None:
        """The viewer sent a short text message."""
        self._hub.said(self._slug, sink, message)

    def gone(self, sink: Sink, /) -> None:
        """The viewer's connection has ended."""
        self._hub.leave(self._slug, sink)
