"""The hub: every live blog that somebody reads here, kept complete.

The bus hints and the store orders (see `docs/architecture.md`); the hub repairs: a message that isn't the next one, and
a poll that finds the store ahead, make it read what is missing. It knows viewers as sinks only (`realtime/channel.py`).
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from liveserver.domain.change import Withdrawal
from liveserver.domain.errors import Draining, NotFound, StoreUnavailable
from liveserver.domain.topic import Topic
from liveserver.protocol import close_codes
from liveserver.protocol.frames import ChangeFrame, pack, unpack
from liveserver.realtime.channel import Offer
from liveserver.realtime.channel_registry import ChannelRegistry
from liveserver.realtime.open_channel import now
from liveserver.realtime.upkeep import presence

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from liveserver.domain.change import Position
    from liveserver.realtime.bus import TopicBus
    from liveserver.realtime.channel import Channel, Lag
    from liveserver.realtime.open_channel import History, SyncedChannel
    from liveserver.realtime.ports import ViewerObserver
    from liveserver.realtime.viewer import Viewer
    from liveserver.utils.limits.concurrency_limiter import Permit

GAP_GRACE = 0.05
"""Seconds that a missing change gets to arrive by itself before the store is read: messages often cross."""

IDLE_KEEP = 60.0
"""Seconds that a live blog without viewers stays in memory, so that one who reloads finds it warm."""


log = structlog.get_logger(__name__)


class Hub:
    """One process's viewers. All calls are made on the event loop."""

    def __init__(
        self,
        history: History,
        bus: TopicBus,
        *,
        heartbeat: int = 25,
        poll: float = 1.5,
        poll_fast: float = 0.5,
        lag_timeout: float = 15.0,
        recent_max: int = 200,
    ) -> None:
        self._history = history
        self._bus = bus
        self._heartbeat = heartbeat
        self._poll = poll
        self._poll_fast = poll_fast
        self._lag_timeout = lag_timeout
        self.draining = False
        """The process is about to end: nobody is let in any more."""
        self.observers: list[ViewerObserver] = []
        self.node = secrets.token_hex(8)
        """By what the other nodes know this one."""
        self._presence = presence.Presence(self.node)
        self._eased = asyncio.Event()
        """Somebody has left, or a backlog has been written."""
        self._registry = ChannelRegistry(
            history, bus, self._eased, self._take, heartbeat=heartbeat, recent_max=recent_max
        )
        self._joining: dict[Viewer, Topic] = {}
        """Viewers that are being brought up to date, and what they read."""
        self._poll_now = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect to the bus, and begin to poll and to beat."""
        await self._bus.start(self)
        self._spawn(self._poll_forever())
        self._spawn(self._beat_forever())
        self._spawn(self._announce_forever())

    async def close(self) -> None:
        """Stop, and forget everyone; `server/drain.py` comes before."""
        await self._bus.close()
        running = list(self._tasks)
        for task in running:
            task.cancel()
        await self._registry.close()
        await asyncio.gather(*running, return_exceptions=True)

    def viewers(self) -> list[Viewer]:
        """Everyone who is connected."""
        return [viewer for channel in self.channels() for viewer in channel.everyone()]

    async def flushed(self) -> None:
        """Return once everything that was published has been written."""
        while any(channel.fanout_queue for channel in self.channels()):
            self._eased.clear()
            await self._eased.wait()

    async def deserted(self) -> None:
        """Return once nobody is connected."""
        while any(channel.count for channel in self.channels()):
            self._eased.clear()
            await self._eased.wait()

    def count(self, slug: str) -> int:
        """How many viewers of a live blog are connected here, those of its views included."""
        return sum(synced.channel.count for synced in self._registry.of(slug))

    def viewers_of(self, slug: str) -> list[Viewer]:
        """The same viewers, one by one."""
        return [viewer for synced in self._registry.of(slug) for viewer in synced.channel.everyone()]

    def count_everywhere(self, slug: str) -> int:
        """The same with those of the other nodes, as they last said: right within some seconds."""
        return self.count(slug) + self._presence.elsewhere(slug)

    def channels(self) -> Iterator[Channel]:
        """What is in memory, for the metrics."""
        return (synced.channel for synced in self._registry)

    async def enter(self, topic: Topic) -> None:
        """Have it in memory for whoever joins next. Raises Draining, NotFound and StoreUnavailable."""
        if self.draining:
            raise Draining
        await self._registry.open(topic)

    def reached(self, topic: Topic) -> Position | None:
        """How far it is known to have got; None if that isn't known here, and the store must be asked.

        Costs no I/O. Asking keeps it in memory, as a viewer does.
        """
        synced = self._registry.get(topic)
        if synced is None:
            return None
        if synced.idle_since is not None:
            synced.idle_since = now()
        return synced.reached

    def committed(self, slug: str, position: Position) -> None:
        """Note what this process has written, before `publish` delivers it: from now on `reached` is no less."""
        if (synced := self._registry.ready(Topic(slug), str(position).encode())) is not None:
            synced.hear(position)

    def subscription(self, topic: Topic) -> Subscription:
        """Whom its viewers report to."""
        return Subscription(self, topic)

    async def join(self, topic: Topic, viewer: Viewer, after: Position | None) -> None:
        """Register a viewer and send it `hello`, what it missed, and from then on what comes.

        Raises NotFound for an unknown live blog, StoreUnavailable if what it needs isn't in memory, and Draining. A
        viewer that leaves meanwhile is not registered.
        """
        self._joining[viewer] = topic
        try:
            synced = await self._registry.open(topic)
            older: list[ChangeFrame] = []
            if after is not None:
                after, older = await synced.bridge(after)
            if self.draining:
                raise Draining
            if viewer in self._joining:
                synced.idle_since = None
                synced.channel.join(viewer, after, now(), older)
                for observer in self.observers:
                    observer.came(synced.liveblog, viewer)
        finally:
            self._joining.pop(viewer, None)

    def leave(self, topic: Topic, viewer: Viewer) -> None:
        """Forget a viewer. One that is unknown is no error."""
        self._joining.pop(viewer, None)
        synced = self._registry.get(topic)
        if synced is not None:
            self._leave(synced, viewer)

    def said(self, topic: Topic, viewer: Viewer, message: bytes) -> None:
        """A viewer sent a short text message."""
        for observer in self.observers:
            observer.said(topic.slug, viewer, message)

    def asked(self, topic: Topic) -> int:
        """How many answers each viewer was asked for, of late."""
        return sum(observer.asked(topic.slug) for observer in self.observers)

    def drained(self, topic: Topic, viewer: Viewer) -> None:
        """A lagging viewer can be written to again: bring it up to date."""
        synced = self._registry.get(topic)
        lag = synced.channel.lagging.get(viewer) if synced else None
        if synced is None or lag is None:
            return
        if synced.channel.covers(lag.position):
            del synced.channel.lagging[viewer]
            synced.channel.join(viewer, lag.position, now())
        else:
            self._spawn(self._catch_up(synced, viewer, lag))

    def publish(self, slug: str, frame: ChangeFrame) -> None:
        """Deliver a committed change to the viewers here, and hand it to the bus for those elsewhere."""
        message = pack(frame)
        try:
            if (synced := self._registry.ready(Topic(slug), message)) is not None:
                self._offer(synced, frame)
        finally:
            # Whatever becomes of it here, the viewers elsewhere are to have it.
            self._bus.publish(slug, message)

    def received(self, topic: Topic, message: bytes) -> None:
        """A message from the bus."""
        if (synced := self._registry.ready(topic, message)) is not None:
            self._take(synced, message)

    def link_changed(self, up: bool) -> None:
        """The bus went down (poll faster), or came back (read what it lost)."""
        self._poll_now.set()
        if up:
            self._presence.renew(now())

    def announced(self, message: bytes) -> None:
        """Another node, or this one, says how many viewers it has."""
        self._presence.hear(message, now())
        for observer in self.observers:
            observer.announced(message)

    def announce(self) -> None:
        """Tell the other nodes how many viewers there are here."""
        if self._bus.up:
            self._presence.forget(now() - presence.LIFETIME)
            here = {slug: count for slug in self._registry.liveblogs() if (count := self.count(slug))}
            for message in self._presence.tell(here):
                self._bus.announce(message)

    def _take(self, synced: SyncedChannel, message: bytes) -> None:
        change = unpack(message)
        if isinstance(change, Withdrawal):
            synced.channel.withdraw([change], now())
            synced.pump_soon()
            return
        here = synced.channel.position
        told = change.position if isinstance(change, ChangeFrame) else change
        if told is not None and told.epoch == synced.heard.epoch:
            # A message of another epoch may be an old one, come late. Only the store replaces history.
            synced.hear(told)
        if isinstance(change, ChangeFrame):
            self._offer(synced, change)
        elif change is None or change.epoch != here.epoch or change.seq > here.seq:
            self._repair(synced)

    def _offer(self, synced: SyncedChannel, frame: ChangeFrame) -> None:
        offer = synced.channel.offer(frame, now())
        synced.pump_soon()
        if offer is Offer.FOREIGN:
            self._repair(synced)
        elif offer is Offer.AHEAD and not synced.grace:
            synced.grace = True
            self._spawn(self._repair_unless_closed(synced))

    async def _catch_up(self, synced: SyncedChannel, viewer: Viewer, lag: Lag) -> None:
        try:
            position, older = await synced.bridge(lag.position)
        except (StoreUnavailable, NotFound):
            self._leave(synced, viewer)
            viewer.close(close_codes.CLOSE_TOO_SLOW)
            return
        # It may have left meanwhile, or have been caught up by an earlier report and lag anew.
        if synced.channel.lagging.get(viewer) is lag:
            del synced.channel.lagging[viewer]
            synced.channel.join(viewer, position, now(), older)

    def _repair(self, synced: SyncedChannel) -> None:
        if not synced.refresh.pending:
            self._spawn(self._repair_now(synced))

    async def _repair_now(self, synced: SyncedChannel) -> None:
        # A read that fails leaves the gap; the poll finds it again.
        with suppress(StoreUnavailable, NotFound):
            await synced.refresh()

    async def _repair_unless_closed(self, synced: SyncedChannel) -> None:
        await asyncio.sleep(GAP_GRACE)
        synced.grace = False
        if synced.channel.ahead:
            await self._repair_now(synced)

    async def _poll_forever(self) -> None:
        failing = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll if self._bus.up else self._poll_fast):
                    await self._poll_now.wait()
            self._poll_now.clear()
            try:
                await self._tend()
            except StoreUnavailable as error:
                if not failing:
                    log.warning("hub.poll_failed", error=str(error))
                failing = True
            except Exception:
                # The poll is what makes lost messages good: it must outlive any defect.
                log.exception("hub.poll_broken")
            else:
                failing = False

    async def _tend(self) -> None:
        """Close who is too slow, forget what nobody reads or no longer exists, and find what the bus has lost."""
        at = now()
        for synced in self._registry:
            for viewer in synced.channel.overdue(at - self._lag_timeout):
                self._leave(synced, viewer)
                viewer.close(close_codes.CLOSE_TOO_SLOW)
            if synced.idle_since is not None and synced.idle_since < at - IDLE_KEEP:
                self._forget(synced.channel.topic)
        asked = [synced.channel.topic for synced in self._registry]
        if not asked:
            return
        positions = await self._history.positions(asked)
        for topic in asked:
            known = self._registry.get(topic)
            if known is None:
                continue
            position = positions.get(topic)
            if position is None:
                # A backup was restored that is older than the live blog.
                for viewer in known.channel.everyone():
                    self._leave(known, viewer)
                    viewer.close(close_codes.CLOSE_NO_SUCH_LIVEBLOG)
                self._forget(topic)
                continue
            known.hear(position)
            here = known.channel.position
            if position.epoch != here.epoch or position.seq > here.seq:
                self._repair(known)

    def _forget(self, topic: Topic) -> None:
        """Drop it from memory, unless somebody is joining it."""
        if topic not in self._joining.values():
            self._registry.drop(topic)
            # Not awaited: a bus that hangs must not hold up the poll, which makes good what the bus loses.
            self._spawn(self._bus.unsubscribe(topic))

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            for synced in self._registry:
                others = self.count_everywhere(synced.liveblog) - synced.channel.count
                try:
                    synced.channel.beat(now(), others)
                except Exception:
                    # Whatever a single viewer does, the others need their heartbeat.
                    log.exception("hub.beat_broken", liveblog=synced.liveblog)
                synced.pump_soon()

    async def _announce_forever(self) -> None:
        while True:
            self.announce()
            await asyncio.sleep(presence.INTERVAL)

    def _leave(self, synced: SyncedChannel, viewer: Viewer) -> None:
        if not synced.channel.leave(viewer):
            return
        for observer in self.observers:
            observer.left(synced.liveblog, viewer)
        self._eased.set()
        if synced.channel.count == 0 and synced.idle_since is None:
            synced.idle_since = now()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Subscription:
    """The hub, as the viewers of one topic know it."""

    __slots__ = ("_hub", "permit", "topic")

    def __init__(self, hub: Hub, topic: Topic) -> None:
        self._hub = hub
        self.topic = topic
        """What they follow."""
        self.permit: Permit | None = None
        """What the viewer releases when it goes: a subscription is one viewer's."""

    async def enter(self) -> None:
        """Have the topic in memory. Raises Draining, NotFound and StoreUnavailable."""
        await self._hub.enter(self.topic)

    async def join(self, viewer: Viewer, after: Position | None, /) -> None:
        """Let a viewer in. Raises NotFound, StoreUnavailable and Draining."""
        await self._hub.join(self.topic, viewer, after)

    def drained(self, viewer: Viewer, /) -> None:
        """The viewer had refused a message, and can be written to again."""
        self._hub.drained(self.topic, viewer)

    def said(self, viewer: Viewer, message: bytes, /) -> None:
        """The viewer sent a short text message."""
        self._hub.said(self.topic, viewer, message)

    def asked(self) -> int:
        """How many answers each viewer was asked for, of late: it may say so much more."""
        return self._hub.asked(self.topic)

    def gone(self, viewer: Viewer, /) -> None:
        """The viewer's connection has ended."""
        self._hub.leave(self.topic, viewer)
        permit, self.permit = self.permit, None
        if permit is not None:
            permit.release()
