"""What realtime needs of others: an encoder of changes, and observers of viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from liveserver.domain.change import Changes
    from liveserver.protocol.frames import ChangeFrame
    from liveserver.realtime.viewer import Viewer


class ChangeEncoder(Protocol):
    """Makes frames of changes: what viewers get of each."""

    async def frames(self, changes: Changes, /) -> list[ChangeFrame]:
        """One frame for each change, in their order; the event loop has its turn meanwhile."""


class ViewerObserver(Protocol):
    """No call may block, raise, or call the hub back from within."""

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """A viewer of the live blog was registered, be it of all of it or of a partner's view."""

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """A viewer sent a short text message."""

    def asked(self, slug: str, /) -> int:
        """How many answers each viewer of the live blog was asked for, of late."""

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """A viewer that had come isn't there any more."""

    def announced(self, message: bytes, /) -> None:
        """A node, perhaps this one, told all others something."""
