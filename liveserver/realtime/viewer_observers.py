"""An observer that passes each call on to all observers of a hub's viewers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liveserver.realtime.ports import ViewerObserver
    from liveserver.realtime.viewer import Viewer


class ViewerObservers:
    """A `ViewerObserver` that passes each call on to all added observers, in the order in which they were added."""

    def __init__(self) -> None:
        self._observers: list[ViewerObserver] = []

    def add(self, observer: ViewerObserver) -> None:
        """Add an observer, which gets all calls from now on."""
        self._observers.append(observer)

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """Tell all observers that a viewer was registered."""
        for observer in self._observers:
            observer.came(slug, viewer)

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """Pass on to all observers a short text message that a viewer has sent."""
        for observer in self._observers:
            observer.said(slug, viewer, message)

    def asked(self, slug: str, /) -> int:
        """Return how many answers each viewer of the live blog may have to send now, for all observers together."""
        return sum(observer.asked(slug) for observer in self._observers)

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """Tell all observers that a registered viewer has left."""
        for observer in self._observers:
            observer.left(slug, viewer)

    def announced(self, message: bytes, /) -> None:
        """Pass on to all observers an announcement made by a node, which may be this node itself."""
        for observer in self._observers:
            observer.announced(message)
