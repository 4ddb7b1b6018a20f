"""Those that observe a hub's viewers, as one observer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liveserver.realtime.ports import ViewerObserver
    from liveserver.realtime.viewer import Viewer


class ViewerObservers:
    """Passes each event on to all observers, in the order in which they were added. Is a `ViewerObserver` itself."""

    def __init__(self) -> None:
        self._observers: list[ViewerObserver] = []

    def add(self, observer: ViewerObserver) -> None:
        """Have an observer hear of all events from now on."""
        self._observers.append(observer)

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """A viewer was registered."""
        for observer in self._observers:
            observer.came(slug, viewer)

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """A viewer sent a short text message."""
        for observer in self._observers:
            observer.said(slug, viewer, message)

    def asked(self, slug: str, /) -> int:
        """The number of answers that all observers together have asked each viewer for, of late."""
        return sum(observer.asked(slug) for observer in self._observers)

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """A registered viewer has left."""
        for observer in self._observers:
            observer.left(slug, viewer)

    def announced(self, message: bytes, /) -> None:
        """A node, perhaps this one, announced something to all others."""
        for observer in self._observers:
            observer.announced(message)
