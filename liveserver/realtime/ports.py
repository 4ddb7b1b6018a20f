"""The ports by which realtime uses other packages: a history, an encoder of changes, and observers of viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from liveserver.domain.change import GoneNotice, Position
from liveserver.protocol.frames import ChangeFrame

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.domain.change import Changes
    from liveserver.domain.topic import Topic
    from liveserver.realtime.channel import Replay
    from liveserver.realtime.viewer import Viewer

TopicMessage: TypeAlias = ChangeFrame | Position | GoneNotice | None
"""A message for a topic: a change, the position of a change, or a gone notice. None is a message that can't be read.

If the message is only a position, the change must be read from the store."""


class History(Protocol):
    """The history of committed changes.

    `after` and `recent` raise NotFound if the live blog doesn't exist. All methods may raise StoreUnavailable.
    """

    async def after(self, topic: Topic, position: Position) -> Replay:
        """Return a replay of everything that changed after a position.

        If the position has another epoch than the store, the replay has the last changes of the store's history. If the
        position is later than the store's position, the replay has the store's position and no changes.
        """

    async def recent(self, topic: Topic, position: Position, count: int) -> Replay:
        """Return a replay of the last `count` changes up to `position`, and of all changes after `position`.

        `position`: the topic's position, which was read just before.
        """

    async def positions(self, topics: Collection[Topic]) -> dict[Topic, Position]:
        """Return the position of each topic. If a topic's live blog doesn't exist, the topic isn't in the result."""


class ChangeEncoder(Protocol):
    """An encoder, which turns each change into the frame that viewers get."""

    async def frames(self, changes: Changes, /) -> list[ChangeFrame]:
        """Return one frame for each change, in the order of the changes. Other tasks can run meanwhile."""


class ViewerObserver(Protocol):
    """An observer of a hub's viewers. No method may block, raise, or call the hub."""

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """Note that the hub has registered a viewer of the live blog, or of one of the live blog's editions."""

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """Handle a short text message that a viewer has sent."""

    def asked(self, slug: str, /) -> int:
        """Return how many answers (such as confirmations) each viewer of the live blog may have to send now.

        Only answers to this observer count.
        """

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """Note that a registered viewer has left."""

    def announced(self, message: bytes, /) -> None:
        """Handle an announcement made by a node, which may be this node itself."""
