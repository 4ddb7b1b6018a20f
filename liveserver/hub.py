"""The hub: every live blog that somebody reads here, kept complete.

The bus hints and the store orders (see `docs/architecture.md`); the hub repairs: a message that isn't the next one, and
a poll that finds the store ahead, make it read what is missing. It knows viewers as sinks only (`channel.py`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from liveserver import attendance, wire
from liveserver.channel import Channel, Offer
from liveserver.errors import Draining, NotFound, StoreUnavailable
from liveserver.frames import ChangeFrame, pack, unpack
from liveserver.model import Withdrawal
from liveserver.rooms import Room, now
from liveserver.view import slug_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from liveserver.bus import Bus
    from liveserver.channel import Lag
    from liveserver.model import Position
    from liveserver.rooms import History
    from liveserver.sink import Sink
    from liveserver.witness import Witness

GAP_GRACE = 0.05
"""Seconds that a missing change gets to arrive by itself before the store is read: messages often cross."""

EARLY_MAX = 256
"""Messages kept for a live blog that is being opened. When the oldest is lost, the next one shows the gap."""

IDLE_KEEP = 60.0
"""Seconds that a live blog without viewers stays in memory, so that one who reloads finds it warm."""


log = structlog.get_logger(__name__)


class Hub:
    """One process's viewers. All calls are made on the event loop."""

    def __init__(
        self,
        history: History,
        bus: Bus,
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
        self._recent_max = recent_max
        self.draining = False
        """The process is about to end: nobody is let in any more."""
        self.witnesses: list[Witness] = []
        self.node = secrets.token_hex(8)
        """By what the other nodes know this one."""
        self._attendance = attendance.Attendance(self.node)
        self._rooms: dict[str, Room] = {}
        self._readings: dict[str, dict[str, Room]] = {}
        """The rooms of each live blog: its own, and those of its views."""
        self._opening: dict[str, asyncio.Task[Room]] = {}
        self._joining: dict[Sink, str] = {}
        """Viewers that are being brought up to date, and what they read."""
        self._early: dict[str, deque[bytes]] = {}
        """Messages of live blogs that are being opened."""
        self._poll_now = asyncio.Event()
        self._eased = asyncio.Event()
        """Somebody has left, or a backlog has been written."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect to the bus, and begin to poll and to beat."""
        await self._bus.start(self)
        self._spawn(self._poll_forever())
        self._spawn(self._beat_forever())
        self._spawn(self._announce_forever())

    async def close(self) -> None:
        """Stop, and forget everyone; `farewell.py` comes before."""
        await self._bus.close()
        running: list[asyncio.Task[Any]] = [*self._tasks, *self._opening.values()]
        for room in self._rooms.values():
            running += room.cancel()
        self._rooms.clear()
        self._readings.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def sinks(self) -> list[Sink]:
        """Everyone who is connected."""
        return [sink for channel in self.channels() for sink in (*channel.viewers, *channel.lagging)]

    async def flushed(self) -> None:
        """Return once everything that was published has been written."""
        while any(channel.backlog for channel in self.channels()):
            self._eased.clear()
            await self._eased.wait()

    async def deserted(self) -> None:
        """Return once nobody is connected."""
        while any(channel.count for channel in self.channels()):
            self._eased.clear()
            await self._eased.wait()

    def viewers(self, slug: str) -> int:
        """How many viewers of a live blog are connected here, those of its views included; given a key, of a view."""
        return sum(room.channel.count for room in self._of(slug))

    def viewers_of(self, slug: str) -> list[Sink]:
        """The same viewers, one by one."""
        channels = [room.channel for room in self._of(slug)]
        return [sink for channel in channels for sink in (*channel.viewers, *channel.lagging)]

    def viewers_everywhere(self, slug: str) -> int:
        """The same with those of the other nodes, as they last said: right within some seconds."""
        return self.viewers(slug) + self._attendance.elsewhere(slug)

    def channels(self) -> Iterator[Channel]:
        """What is in memory, for the metrics."""
        return (room.channel for room in self._rooms.values())

    async def enter(self, slug: str) -> None:
        """Have a live blog in memory for whoever joins next. Raises Draining, NotFound and StoreUnavailable."""
        if self.draining:
            raise Draining
        await self._open(slug)

    def reached(self, slug: str) -> Position | None:
        """How far a live blog is known to have got; None if that isn't known here, and the store must be asked.

        Costs no I/O. Asking keeps the live blog in memory, as a viewer does.
        """
        room = self._rooms.get(slug)
        if room is None:
            return None
        if room.idle_since is not None:
            room.idle_since = now()
        return room.reached

    def committed(self, slug: str, position: Position) -> None:
        """Note what this process has written, before `publish` delivers it: from now on `reached` is no less."""
        if slug in self._early:
            self._early[slug].append(str(position).encode())
        elif (room := self._rooms.get(slug)) is not None:
            room.hear(position)

    def audience(self, slug: str) -> Audience:
        """Whom the viewers of a live blog report to."""
        return Audience(self, slug)

    async def join(self, slug: str, sink: Sink, after: Position | None) -> None:
        """Register a viewer and send it `hello`, what it missed, and from then on what comes.

        Raises NotFound for an unknown live blog, StoreUnavailable if what it needs isn't in memory, and Draining. A
        viewer that leaves meanwhile is not registered.
        """
        self._joining[sink] = slug
        try:
            room = await self._open(slug)
            if after is not None:
                after = room.within_reach(after)
            older = await room.bridge(after) if after is not None else []
            if self.draining:
                raise Draining
            if sink in self._joining:
                room.idle_since = None
                room.channel.join(sink, after, now(), older)
                for witness in self.witnesses:
                    witness.came(room.liveblog, sink)
        finally:
            self._joining.pop(sink, None)

    def leave(self, slug: str, sink: Sink) -> None:
        """Forget a viewer. One that is unknown is no error."""
        self._joining.pop(sink, None)
        room = self._rooms.get(slug)
        if room is not None:
            self._leave(room, sink)

    def said(self, slug: str, sink: Sink, message: bytes) -> None:
        """A viewer sent a short text message."""
        for witness in self.witnesses:
            witness.said(slug_of(slug), sink, message)

    def drained(self, slug: str, sink: Sink) -> None:
        """A lagging viewer can be written to again: bring it up to date."""
        room = self._rooms.get(slug)
        lag = room.channel.lagging.get(sink) if room else None
        if room is None or lag is None:
            return
        if room.channel.covers(lag.position):
            del room.channel.lagging[sink]
            room.channel.join(sink, lag.position, now())
        else:
            self._spawn(self._catch_up(room, sink, lag))

    def publish(self, slug: str, frame: ChangeFrame) -> None:
        """Deliver a committed change to the viewers here, and hand it to the bus for those elsewhere."""
        message = pack(frame)
        if slug in self._early:
            self._early[slug].append(message)
        elif (room := self._rooms.get(slug)) is not None:
            self._offer(room, frame)
        self._bus.publish(slug, message)

    def received(self, slug: str, message: bytes) -> None:
        """A message from the bus."""
        if slug in self._early:
            self._early[slug].append(message)
        elif (room := self._rooms.get(slug)) is not None:
            self._take(room, message)

    def link_changed(self, up: bool) -> None:
        """The bus went down (poll faster), or came back (read what it lost)."""
        self._poll_now.set()
        if up:
            self._attendance.renew(now())

    def announced(self, message: bytes) -> None:
        """Another node, or this one, says how many viewers it has."""
        self._attendance.hear(message, now())
        for witness in self.witnesses:
            witness.announced(message)

    def announce(self) -> None:
        """Tell the other nodes how many viewers there are here."""
        if self._bus.up:
            self._attendance.forget(now() - attendance.LIFETIME)
            for message in self._attendance.tell({slug: n for slug in self._readings if (n := self.viewers(slug))}):
                self._bus.announce(message)

    def _take(self, room: Room, message: bytes) -> None:
        change = unpack(message)
        if isinstance(change, Withdrawal):
            room.channel.withdraw([change], now())
            room.pump_soon()
            return
        here = room.channel.position
        told = change.position if isinstance(change, ChangeFrame) else change
        if told is not None and told.epoch == room.heard.epoch:
            # A message of another epoch may be an old one, come late. Only the store replaces history.
            room.hear(told)
        if isinstance(change, ChangeFrame):
            self._offer(room, change)
        elif change is None or change.epoch != here.epoch or change.seq > here.seq:
            self._repair(room)

    def _offer(self, room: Room, frame: ChangeFrame) -> None:
        offer = room.channel.offer(frame, now())
        room.pump_soon()
        if offer is Offer.FOREIGN:
            self._repair(room)
        elif offer is Offer.AHEAD and not room.grace:
            room.grace = True
            self._spawn(self._repair_unless_closed(room))

    async def _open(self, slug: str) -> Room:
        room = self._rooms.get(slug)
        if room is not None:
            return room
        task = self._opening.get(slug)
        if task is None:
            task = asyncio.create_task(self._load(slug), name=f"open {slug}")
            self._opening[slug] = task
            task.add_done_callback(lambda _: self._opening.pop(slug, None))
        try:
            return await asyncio.shield(task)
        finally:
            # What it raises refers to this frame: a circle, which would keep the viewer until it is collected.
            del task

    async def _load(self, slug: str) -> Room:
        # Subscribe before reading: what is committed after the read is announced on the bus, and kept in `_early`.
        self._early[slug] = deque(maxlen=EARLY_MAX)
        try:
            await self._bus.subscribe(slug)
            start = await self._history.recent(slug, self._recent_max)
        except BaseException:
            del self._early[slug]
            await self._bus.unsubscribe(slug)
            raise
        channel = Channel(slug, start, recent_max=self._recent_max, heartbeat=self._heartbeat)
        room = Room(channel, self._history, self._eased)
        self._rooms[slug] = room
        self._readings.setdefault(room.liveblog, {})[slug] = room
        for message in self._early.pop(slug):
            self._take(room, message)
        return room

    async def _catch_up(self, room: Room, sink: Sink, lag: Lag) -> None:
        position = room.within_reach(lag.position)
        try:
            older = await room.bridge(position)
        except (StoreUnavailable, NotFound):
            self._leave(room, sink)
            sink.close(wire.CLOSE_TOO_SLOW)
            return
        # It may have left meanwhile, or have been caught up by an earlier report and lag anew.
        if room.channel.lagging.get(sink) is lag:
            del room.channel.lagging[sink]
            room.channel.join(sink, position, now(), older)

    def _repair(self, room: Room) -> None:
        if not room.refresh.pending:
            self._spawn(self._repair_now(room))

    async def _repair_now(self, room: Room) -> None:
        # A read that fails leaves the gap; the poll finds it again.
        with suppress(StoreUnavailable, NotFound):
            await room.refresh()

    async def _repair_unless_closed(self, room: Room) -> None:
        await asyncio.sleep(GAP_GRACE)
        room.grace = False
        if room.channel.ahead:
            await self._repair_now(room)

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
        for room in list(self._rooms.values()):
            for sink in room.channel.overdue(at - self._lag_timeout):
                self._leave(room, sink)
                sink.close(wire.CLOSE_TOO_SLOW)
            slug = room.channel.slug
            if room.idle_since is not None and room.idle_since < at - IDLE_KEEP:
                self._forget(slug)
        if not self._rooms:
            return
        asked = list(self._rooms)
        positions = await self._history.positions(asked)
        for slug in asked:
            known = self._rooms.get(slug)
            if known is None:
                continue
            position = positions.get(slug)
            if position is None:
                # A backup was restored that is older than the live blog.
                for sink in [*known.channel.viewers, *known.channel.lagging]:
                    self._leave(known, sink)
                    sink.close(wire.CLOSE_NO_SUCH_LIVEBLOG)
                self._forget(slug)
                continue
            known.hear(position)
            here = known.channel.position
            if position.epoch != here.epoch or position.seq > here.seq:
                self._repair(known)

    def _forget(self, slug: str) -> None:
        """Drop a live blog from memory, unless somebody is joining it."""
        if slug not in self._joining.values():
            room = self._rooms.pop(slug)
            readings = self._readings[room.liveblog]
            del readings[slug]
            if not readings:
                del self._readings[room.liveblog]
            # Not awaited: a bus that hangs must not hold up the poll, which makes good what the bus loses.
            self._spawn(self._bus.unsubscribe(slug))

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            for room in list(self._rooms.values()):
                others = self.viewers_everywhere(room.liveblog) - room.channel.count
                room.channel.beat(now(), others)
                room.pump_soon()

    async def _announce_forever(self) -> None:
        while True:
            self.announce()
            await asyncio.sleep(attendance.INTERVAL)

    def _of(self, slug: str) -> list[Room]:
        """The rooms of a live blog and of its views; given the key of a view, that view's."""
        if "?" in slug:
            return [room] if (room := self._rooms.get(slug)) else []
        return list(self._readings.get(slug, {}).values())

    def _leave(self, room: Room, sink: Sink) -> None:
        if not room.channel.leave(sink):
            return
        for witness in self.witnesses:
            witness.left(room.liveblog, sink)
        self._eased.set()
        if room.channel.count == 0 and room.idle_since is None:
            room.idle_since = now()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class Audience:
    """The hub, as the viewers of one live blog know it, or of a view of it."""

    __slots__ = ("_hub", "key")

    def __init__(self, hub: Hub, key: str) -> None:
        self._hub = hub
        self.key = key
        """What they read."""

    async def enter(self) -> None:
        """Have the live blog in memory. Raises Draining, NotFound and StoreUnavailable."""
        await self._hub.enter(self.key)

    async def join(self, sink: Sink, after: Position | None, /) -> None:
        """Let a viewer in. Raises NotFound, StoreUnavailable and Draining."""
        await self._hub.join(self.key, sink, after)

    def drained(self, sink: Sink, /) -> None:
        """The viewer had refused a message, and can be written to again."""
        self._hub.drained(self.key, sink)

    def said(self, sink: Sink, message: bytes, /) -> None:
        """The viewer sent a short text message."""
        self._hub.said(self.key, sink, message)

    def gone(self, sink: Sink, /) -> None:
        """The viewer's connection has ended."""
        self._hub.leave(self.key, sink)
