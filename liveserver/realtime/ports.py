"""What realtime needs of others: a history to read, an encoder of changes, and observers of viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from liveserver.domain.change import Position, Withdrawal
from liveserver.protocol.frames import ChangeFrame

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.domain.change import Changes
    from liveserver.domain.topic import Topic
    from liveserver.realtime.channel import Replay
    from liveserver.realtime.viewer import Viewer

TopicMessage: TypeAlias = ChangeFrame | Position | Withdrawal | None
"""What arrives for a topic: a change; the position alone of a change that must be read from the store; an entry that is
gone before its deletion has its turn; None for anything that can't be read."""


class History(Protocol):
    """All changes that were committed. `after` and `recent` raise NotFound, and all calls StoreUnavailable."""

    async def after(self, topic: Topic, position: Position) -> Replay:
        """Everything after a position; the last changes, if it is of another history than the store's.

        A seq beyond the store's gives an empty replay at the store's position.
        """

    async def recent(self, topic: Topic, position: Position, count: int) -> Replay:
        """At most the last `count` changes up to `position`, which was the topic's a moment ago."""

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        """The position of each topic; a topic of a live blog that doesn't exist is left out."""


class ChangeEncoder(Protocol):
    """Makes frames of changes: what viewers get of each."""

    async def frames(self, changes: Changes, /) -> list[ChangeFrame]:
        """One frame for each change, in their order; the event loop has its turn meanwhile."""


class ViewerObserver(Protocol):
    """Hears of a hub's viewers. No call may block, raise, or call the hub back from within."""

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """A viewer of the live blog was registered, be it of all of it or of a partner's topic."""

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """A viewer sent a short text message."""

    def asked(self, slug: str, /) -> int:
        """The number of answers that each viewer of the live blog was asked for, of late."""

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """A registered viewer has left."""

    def announced(self, message: bytes, /) -> None:
        """A node, perhaps this one, announced something to all others."""
