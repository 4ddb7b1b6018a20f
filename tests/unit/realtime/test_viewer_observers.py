"""Several observers, as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liveserver.realtime.viewer_observers import ViewerObservers
from tests.support.viewers import ListSink

if TYPE_CHECKING:
    from liveserver.realtime.viewer import Viewer


class Observer:
    """Notes what it hears."""

    def __init__(self, asked: int) -> None:
        self.heard: list[tuple[object, ...]] = []
        self._asked = asked

    def came(self, slug: str, viewer: Viewer, /) -> None:
        self.heard.append(("came", slug, viewer))

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        self.heard.append(("said", slug, viewer, message))

    def asked(self, slug: str, /) -> int:
        self.heard.append(("asked", slug))
        return self._asked

    def left(self, slug: str, viewer: Viewer, /) -> None:
        self.heard.append(("left", slug, viewer))

    def announced(self, message: bytes, /) -> None:
        self.heard.append(("announced", message))


def test_each_hears_everything() -> None:
    observers, viewer = ViewerObservers(), ListSink()
    assert observers.asked("match") == 0
    each = [Observer(2), Observer(3)]
    for observer in each:
        observers.add(observer)
    observers.came("match", viewer)
    observers.said("match", viewer, b"hello")
    assert observers.asked("match") == 5
    observers.left("match", viewer)
    observers.announced(b"news")
    expected = [
        ("came", "match", viewer),
        ("said", "match", viewer, b"hello"),
        ("asked", "match"),
        ("left", "match", viewer),
        ("announced", b"news"),
    ]
    assert [observer.heard for observer in each] == [expected, expected]
