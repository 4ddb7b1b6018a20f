"""All observers of a hub's viewers, as one observer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liveserver.realtime.ports import ViewerObserver
    from liveserver.realtime.viewer import Viewer


class ViewerObservers:
    """A `ViewerObserver` that passes each call on to all observers, in the order in which they were added."""

    def __init__(self) -> None:
        self._observers: list[ViewerObserver] = []

    def add(self, observer: ViewerObserver) -> None:
        """Add an observer, which gets all calls from now on."""
        self._observers.append(observer)

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """Pass on that a viewer was registered."""
        for observer in self._observers:
            observer.came(slug, viewer)

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """Pass on a short text message of a viewer."""
        for observer in self._observers:
            observer.said(slug, viewer, message)

    def asked(self, slug: str, /) -> int:
        """Return the number of answers that all observers together have asked each viewer for lately."""
        return sum(observer.asked(slug) for observer in self._observers)

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """Pass on that a registered viewer has left."""
        for observer in self._observers:
            observer.left(slug, viewer)

    def announced(self, message: bytes, /) -> None:
        """Pass on an announcement of a node, perhaps this one."""
        for observer in self._observers:
            observer.announced(message)
