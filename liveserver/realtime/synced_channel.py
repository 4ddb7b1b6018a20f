"""A synced channel: a channel, the known position of the store, and the reads that keep the channel complete.

A change that isn't the next one shows a gap, which is read from the store. Changes that a viewer missed are read, too,
if memory doesn't hold them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from liveserver.domain.change import VOID_POSITION, Position, Withdrawal
from liveserver.domain.errors import NotFound, StoreUnavailable
from liveserver.protocol import close_codes
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime.channel import Offer
from liveserver.realtime.replay_cache import ReplayCache
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveserver.realtime.channel import Channel, Lag
    from liveserver.realtime.ports import History, TopicMessage, ViewerObserver
    from liveserver.realtime.viewer import Viewer
    from liveserver.utils.background import BackgroundTasks

GAP_GRACE = 0.05
"""Seconds to wait for a missing change before the store is read: messages often arrive in another order."""

log = structlog.get_logger(__name__)


class SyncedChannel:
    """The channel of a topic that somebody follows here, kept in step with the store: its gaps are found and filled."""

    def __init__(
        self,
        channel: Channel,
        history: History,
        observer: ViewerObserver,
        tasks: BackgroundTasks,
        progress: asyncio.Event,
    ) -> None:
        """`tasks`: keeps the reads under way. `progress`: set when a viewer has left, or queued messages were written.

        `observer`: told of viewers that come and leave.
        """
        self.channel = channel
        self.liveblog = channel.topic.slug
        """The slug of the live blog that the viewers follow, or an edition of it."""
        self.idle_since: float | None = now()
        """The event loop's time since which it has no viewers; None while it has some."""
        self.refresh = FreshFlight(self._refresh)
        """Reads the changes beyond the channel's position, and delivers them. Raises NotFound and StoreUnavailable."""
        self._store_position = channel.position
        """The last known position of the store; the channel may not have got there yet."""
        self._history = history
        self._observer = observer
        self._tasks = tasks
        self._progress = progress
        self._replays = ReplayCache(channel.topic, history)
        self._gap_waits = False
        """True while a missing change is awaited."""
        self._pumping = False
        """True if the next pump is scheduled."""

    def cancel(self) -> list[asyncio.Task[Any]]:
        """Cancel the reads under way, and return them for the caller to gather."""
        return [*self.refresh.cancel(), *self._replays.cancel()]

    # Positions

    @property
    def reached(self) -> Position | None:
        """The position that the topic is known to have reached; None if only the store knows it."""
        delivered, stored = self.channel.position, self._store_position
        if stored.epoch != delivered.epoch:
            # The history was replaced, and either the channel hasn't followed yet, or the poll hasn't noticed yet.
            return None
        return stored if stored.seq > delivered.seq else delivered

    def note_position(self, position: Position) -> None:
        """Note a position that the store has reached."""
        if position.epoch != self._store_position.epoch or position.seq > self._store_position.seq:
            self._store_position = position

    def check(self, position: Position) -> None:
        """Note a position that the store has reached, and repair the channel if it is behind."""
        self.note_position(position)
        if self._is_behind(position):
            self._repair()

    def stay(self) -> None:
        """Restart the idle time of a channel without viewers."""
        if self.idle_since is not None:
            self.idle_since = now()

    # Changes

    def take(self, message: TopicMessage) -> None:
        """Deliver a change if it is the next one; else repair the gap before it. An unreadable message is a gap."""
        if isinstance(message, Withdrawal):
            self.channel.withdraw([message], now())
            self.pump_soon()
            return
        position = message.position if isinstance(message, ChangeFrame) else message
        if position is not None and position.epoch == self._store_position.epoch:
            # A message of another epoch may be an old one that comes late. Only the store replaces the history.
            self.note_position(position)
        if isinstance(message, ChangeFrame):
            self._offer(message)
        elif message is None or self._is_behind(message):
            self._repair()

    def beat(self, viewers_elsewhere: int) -> None:
        """Send a heartbeat with the number of viewers here plus those elsewhere."""
        self.channel.beat(now(), viewers_elsewhere)
        self.pump_soon()

    def pump_soon(self) -> None:
        """Schedule the writing of queued messages: one batch of viewers in each turn of the event loop."""
        if self.channel.fanout_queue and not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    # Viewers

    def join(self, viewer: Viewer, after: Position | None, older: Iterable[ChangeFrame]) -> None:
        """Register a viewer, and bring it up to date: see `Channel.join`."""
        self.idle_since = None
        self.channel.join(viewer, after, now(), older)
        self._observer.came(self.liveblog, viewer)

    def resume(self, viewer: Viewer) -> None:
        """Bring a lagging viewer up to date, once the changes it missed are read. Does nothing if it doesn't lag."""
        lag = self.channel.lagging.get(viewer)
        if lag is None:
            return
        if self.channel.covers(lag.position):
            self.channel.resume(viewer, lag.position, now())
        else:
            self._tasks.spawn(self._catch_up(viewer, lag))

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer. Does nothing if it is unknown."""
        if not self.channel.leave(viewer):
            return
        self._observer.left(self.liveblog, viewer)
        self._progress.set()
        if self.channel.count == 0 and self.idle_since is None:
            self.idle_since = now()

    def close(self, viewer: Viewer, code: int) -> None:
        """Forget a viewer, and close its connection."""
        self.leave(viewer)
        viewer.close(code)

    async def bridge(self, after: Position) -> tuple[Position, list[ChangeFrame]]:
        """Read the changes that memory lacks for a viewer at `after`, so that `join` can be called for it.

        Returns the position and the older frames for `join`. The position is void if `after` lies too far back to be
        replayed. Raises NotFound and StoreUnavailable.
        """
        channel = self.channel
        if not self._replays.reaches(after, channel.position):
            return VOID_POSITION, []
        if after.epoch != channel.position.epoch or after.seq > channel.position.seq:
            # The viewer may come from another node, and be ahead of this one. Only the store can tell that it is void.
            await self.refresh()
        while after.epoch == channel.position.epoch and after.seq < channel.floor:
            replay = await self._replays.read(after, channel.position)
            if replay.position.epoch == channel.position.epoch and replay.position.seq >= channel.floor:
                return (after if after.seq >= replay.floor else VOID_POSITION), replay.frames
            # Since that read, memory has gone on, and forgotten changes that came after it.
            self._replays.drop()
            await self.refresh()
        return after, []

    async def _catch_up(self, viewer: Viewer, lag: Lag) -> None:
        try:
            position, older = await self.bridge(lag.position)
        except (StoreUnavailable, NotFound):
            self.close(viewer, close_codes.CLOSE_TOO_SLOW)
            return
        # The viewer may have left meanwhile; or an earlier call has caught it up, and it lags again.
        if self.channel.lagging.get(viewer) is lag:
            self.channel.resume(viewer, position, now(), older)

    def _offer(self, frame: ChangeFrame) -> None:
        offer = self.channel.offer(frame, now())
        self.pump_soon()
        if offer is Offer.FOREIGN:
            self._repair()
        elif offer is Offer.AHEAD and not self._gap_waits:
            self._gap_waits = True
            self._tasks.spawn(self._repair_unless_closed())

    def _is_behind(self, position: Position) -> bool:
        delivered = self.channel.position
        return position.epoch != delivered.epoch or position.seq > delivered.seq

    def _repair(self) -> None:
        if not self.refresh.pending:
            self._tasks.spawn(self._repair_now())

    async def _repair_now(self) -> None:
        # If the read fails, the gap stays; the poll will find it again.
        with suppress(StoreUnavailable, NotFound):
            await self.refresh()

    async def _repair_unless_closed(self) -> None:
        await asyncio.sleep(GAP_GRACE)
        self._gap_waits = False
        if self.channel.ahead:
            await self._repair_now()

    async def _refresh(self) -> None:
        channel = self.channel
        while True:
            before = channel.position
            replay = await self._history.after(channel.topic, before)
            if replay.position == before or channel.repair(replay, now()):
                break
        self.pump_soon()
        if channel.position != before:
            log.debug("hub.refreshed", topic=channel.topic, before=str(before), after=str(channel.position))

    def _pump(self) -> None:
        self.channel.pump(now())
        self._pumping = False
        self._progress.set()
        self.pump_soon()


def now() -> float:
    """Return the event loop's time, in seconds."""
    return asyncio.get_running_loop().time()
