"""A report of a viewer's connection reaches the hub, with the viewer's topic."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from liveserver.domain.change import Position
from liveserver.domain.topic import Topic
from liveserver.realtime.subscription import Subscription
from tests.support.viewers import ListSink

if TYPE_CHECKING:
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.viewer import Viewer
    from liveserver.utils.limits.concurrency_limiter import Permit

MATCH = Topic("match")


class NotingHub:
    """Notes what it is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    async def enter(self, topic: Topic) -> None:
        self.calls.append(("enter", topic))

    async def join(self, topic: Topic, viewer: Viewer, after: Position | None) -> None:
        self.calls.append(("join", topic, viewer, after))

    def resume(self, topic: Topic, viewer: Viewer) -> None:
        self.calls.append(("resume", topic, viewer))

    def said(self, topic: Topic, viewer: Viewer, message: bytes) -> None:
        self.calls.append(("said", topic, viewer, message))

    def asked(self, topic: Topic) -> int:
        self.calls.append(("asked", topic))
        return 7

    def leave(self, topic: Topic, viewer: Viewer) -> None:
        self.calls.append(("leave", topic, viewer))


class NotingPermit:
    """Counts its releases."""

    def __init__(self) -> None:
        self.released = 0

    def release(self) -> None:
        self.released += 1


async def test_the_hub_hears_what_the_connection_reports() -> None:
    hub, viewer, after = NotingHub(), ListSink(), Position("e", 1)
    subscription = Subscription(cast("Hub", hub), MATCH)
    await subscription.enter()
    await subscription.join(viewer, after)
    subscription.writable(viewer)
    subscription.said(viewer, b"hello")
    assert subscription.asked() == 7
    subscription.gone(viewer)
    assert hub.calls == [
        ("enter", MATCH),
        ("join", MATCH, viewer, after),
        ("resume", MATCH, viewer),
        ("said", MATCH, viewer, b"hello"),
        ("asked", MATCH),
        ("leave", MATCH, viewer),
    ]


def test_the_permit_is_released_once() -> None:
    permit, viewer = NotingPermit(), ListSink()
    subscription = Subscription(cast("Hub", NotingHub()), MATCH)
    subscription.permit = cast("Permit", permit)
    for _ in range(2):
        subscription.gone(viewer)
    assert permit.released == 1
