"""The ports of realtime: a history to read, an encoder of changes, and observers of viewers."""

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
"""A message for a topic: a change; or only the position of a change, which must be read from the store; or a
withdrawal; or None for a message that can't be read."""


class History(Protocol):
    """The history of committed changes. `after` and `recent` raise NotFound, and all calls StoreUnavailable."""

    async def after(self, topic: Topic, position: Position) -> Replay:
        """Return everything after a position; if that is of another history than the store's, the last changes.

        A seq beyond the store's gives an empty replay at the store's position.
        """

    async def recent(self, topic: Topic, position: Position, count: int) -> Replay:
        """Return at most the last `count` changes up to `position`, which was the topic's a moment ago."""

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        """Return the position of each topic; a topic of a live blog that doesn't exist is left out."""


class ChangeEncoder(Protocol):
    """An encoder, which makes of each change the frame that viewers get."""

    async def frames(self, changes: Changes, /) -> list[ChangeFrame]:
        """Return one frame for each change, in order. The event loop has its turns meanwhile."""


class ViewerObserver(Protocol):
    """An observer of a hub's viewers. No call may block, raise, or call the hub."""

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """Note that a viewer of the live blog, or of an edition of it, was registered."""

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """Take a short text message that a viewer has sent."""

    def asked(self, slug: str, /) -> int:
        """Return the number of answers that each viewer of the live blog was asked for lately."""

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """Note that a registered viewer has left."""

    def announced(self, message: bytes, /) -> None:
        """Take an announcement of a node, perhaps this one."""
