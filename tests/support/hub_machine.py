"""The common parts of the hub's state machines: strict readers, a bus's ends, and two hubs on virtual time.

Readers are as strict as the fault harness's (`tests/faults/reading.py`): none may be sent a gap, a change twice, or an
older one after a newer.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from liveserver.client import Tracker
from liveserver.domain.errors import StoreUnavailable
from tests.faults.reading import Line
from tests.support.effort import examples
from tests.support.viewers import ListSink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import ParamSpec

    from liveserver.domain.change import Position
    from liveserver.domain.topic import Topic
    from liveserver.protocol.frames import Frame
    from liveserver.realtime.bus import Receiver
    from liveserver.realtime.hub import Hub
    from tests.support.viewers import Message
    from tests.support.virtual_time import VirtualTimeLoop

    P = ParamSpec("P")

POLL = 1.5
READERS: Bundle[Any] = Bundle("readers")
SETTINGS = settings(max_examples=examples(100), stateful_step_count=40, deadline=None, derandomize=True)


class BusEnd:
    """One hub's end of a bus; what becomes of messages is up to the subclass."""

    def __init__(self) -> None:
        self.up = True
        self.subscribed: set[str] = set()
        self.receiver: Receiver | None = None

    async def start(self, receiver: Receiver) -> None:
        self.receiver = receiver

    async def close(self) -> None:
        self.receiver = None

    async def subscribe(self, slug: str) -> None:
        self.subscribed.add(slug)

    async def unsubscribe(self, slug: str) -> None:
        self.subscribed.discard(slug)

    def announce(self, message: bytes) -> None:
        """Lost: how many viewers there are elsewhere is another matter."""


class Socket(ListSink):
    """A new connection takes its first message, whatever becomes of the next."""

    def write(self, frame: Frame) -> bool:
        """Take a frame, if there is room, or if it is the first."""
        if self.room == 0 and not self.frames and not self.begun:
            self.room = 1
        self.begun = True
        return super().write(frame)

    begun = False


class StrictReader(ABC):
    """A strict viewer of a topic, and the connection that it has at the moment."""

    def __init__(self, topic: Topic, after: Position | None, shown: dict[str, int]) -> None:
        self.topic = topic
        self.tracker = Tracker(after)
        self.line = Line(after)
        self.shown = shown
        """The last change of everything on the page."""
        self.viewer = Socket()
        self.hub: Hub | None = None
        self.joining: asyncio.Task[None] | None = None
        self.resyncs = 0

    def connect(self, loop: VirtualTimeLoop, hub: Hub, room: int | None) -> None:
        """Come by a new connection, wherever one was before."""
        self.disconnect()
        after = self.tracker.position
        self.tracker, self.line, self.viewer, self.hub = Tracker(after), Line(after), Socket(room), hub
        self.joining = loop.create_task(hub.join(self.topic, self.viewer, after))
        self.joining.add_done_callback(_refused)

    def disconnect(self) -> None:
        """The connection is lost, with what had not been read of it."""
        if self.hub is not None:
            self.hub.leave(self.topic, self.viewer)
        self.hub = None

    @property
    def cut_off(self) -> bool:
        """Whether the hub has ended it, or refused it."""
        refused = self.joining is not None and self.joining.done() and self.joining.exception() is not None
        return self.hub is None or refused or self.viewer.closed is not None

    def read(self) -> None:
        """Take in what has come."""
        messages = self.viewer.messages
        self.viewer.frames.clear()
        for message in messages:
            self.line.check(message)
            self.take(message)

    def drain(self) -> None:
        """Read everything, and say so."""
        self.read()
        self.viewer.room = None
        if self.hub is not None:
            self.hub.resume(self.topic, self.viewer)

    @abstractmethod
    def take(self, message: Message) -> None:
        """Apply a message to what is shown."""


def _refused(joining: asyncio.Task[None]) -> None:
    """A viewer may be refused while the store is away; it comes back like one that was cut off."""
    assert joining.cancelled() or isinstance(joining.exception(), StoreUnavailable | None)


class HubsMachine(RuleBasedStateMachine):
    """Two hubs and their readers; what happens to them beside this is up to the subclass."""

    loop: VirtualTimeLoop
    hubs: list[Hub]
    everyone: Sequence[StrictReader]

    @rule(reader=READERS)
    def leave(self, reader: StrictReader) -> None:
        self.do(reader.disconnect)

    @rule(reader=READERS)
    def read(self, reader: StrictReader) -> None:
        reader.read()

    @rule(reader=READERS)
    def drain(self, reader: StrictReader) -> None:
        self.do(reader.drain)

    def do(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call from within the loop, and let follow what follows at once."""

        async def called() -> None:
            call(*args, **kwargs)

        self.loop.finish(called())
        self.loop.settle()

    def recover(self) -> None:
        """Let two polls go by, bring back the readers that were cut off, and have all of them drain."""
        self.loop.spend(2 * POLL)
        for _ in range(2):
            for reader in self.everyone:
                if reader.cut_off:
                    self.do(reader.connect, self.loop, self.hubs[0], None)
                self.do(reader.drain)
            self.loop.spend(2 * POLL)

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close the hubs and the loop at the end; no task may be left."""
        try:
            yield
        finally:
            for hub in self.hubs:
                self.loop.finish(hub.close())
            left = asyncio.all_tasks(self.loop)
            self.loop.close()
        assert not left
