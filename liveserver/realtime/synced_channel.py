"""A synced channel: a channel, the known position of the store, and the reads that keep the channel complete.

If the seq of a change is higher than expected, earlier changes are missing (a gap). They are read from the store.
Changes that a viewer missed are read from the store, too, if the channel's memory doesn't have them any more.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog

from liveserver.domain.change import VOID_POSITION, GoneNotice, Position
from liveserver.domain.errors import NotFound, StoreUnavailable
from liveserver.protocol import close_codes
from liveserver.protocol.frames import ChangeFrame
from liveserver.realtime.channel import Offer
from liveserver.realtime.replay_cache import ReplayCache
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from liveserver.realtime.channel import Channel, Lag
    from liveserver.realtime.ports import History, TopicMessage, ViewerObserver
    from liveserver.realtime.viewer import Viewer
    from liveserver.utils.background import BackgroundTasks

GAP_GRACE = 0.05
"""Seconds to wait for a missing change before the store is read. The change often arrives just after a later change."""

log = structlog.get_logger(__name__)


class SyncedChannel:
    """A channel that is kept complete: changes that it lacks are read from the store and delivered.

    For this purpose, the last known position of the store is kept with the channel.
    """

    def __init__(
        self,
        channel: Channel,
        history: History,
        observer: ViewerObserver,
        tasks: BackgroundTasks,
        progress: asyncio.Event,
    ) -> None:
        """`observer` is notified when a viewer comes or leaves. `tasks` runs reads of the store in the background.

        `progress` is an event that is set when a viewer has left, or queued messages were written.
        """
        self.channel = channel
        self.liveblog = channel.topic.slug
        """The slug of the live blog to which the channel's topic belongs. The topic may be an edition."""
        self.idle_since: float | None = now()
        """The time when the last viewer left, in seconds of the event loop's clock; None while there are viewers.

        Before the first viewer comes, it is the time when the channel was opened. `stay` sets a later time.
        """
        self.read_missing = FreshFlight(self._read_missing)
        """The function that reads the changes after the channel's position from the store, and delivers them.

        Calls during a run all wait for one more run. Raises NotFound if the live blog doesn't exist, and
        StoreUnavailable.
        """
        self._store_position = channel.position
        """The last known position of the store. The channel may still lack changes up to this position."""
        self._history = history
        self._observer = observer
        self._tasks = tasks
        self._progress = progress
        self._replays = ReplayCache(channel.topic, history)
        self._gap_waits = False
        """True during the GAP_GRACE seconds in which a missing change may still arrive by the bus."""
        self._pumping = False
        """True if the next writing of queued messages is scheduled."""

    def cancel(self) -> list[asyncio.Task[Any]]:
        """Cancel the reads of the store that are under way. Returns their tasks, which the caller can await."""
        return [*self.read_missing.cancel(), *self._replays.cancel()]

    # Positions

    @property
    def reached(self) -> Position | None:
        """The position that the topic is known to have reached; None if the store must be asked."""
        delivered, stored = self.channel.position, self._store_position
        if stored.epoch != delivered.epoch:
            # A backup was restored. Either the channel hasn't got the new history yet, or the poll hasn't noticed it.
            return None
        return stored if stored.seq > delivered.seq else delivered

    def note_position(self, position: Position) -> None:
        """Note a position that the store has reached. Does nothing if a later position with the same epoch is known."""
        if position.epoch != self._store_position.epoch or position.seq > self._store_position.seq:
            self._store_position = position

    def check(self, position: Position) -> None:
        """Note a position that the store has reached. If the channel is behind, begin to read the missing changes."""
        self.note_position(position)
        if self._is_behind(position):
            self._repair()

    def stay(self) -> None:
        """Let a channel without viewers stay in memory for longer: its idle time begins anew."""
        if self.idle_since is not None:
            self.idle_since = now()

    # Changes

    def take(self, message: TopicMessage) -> None:
        """Handle a message of the topic: deliver it to the viewers, or read changes from the store.

        The store is read if the message is None (it couldn't be decoded), or a position that the channel hasn't
        reached. It is also read if the message is a change of another epoch than the channel's, or if changes before
        the message's change are missing and don't arrive within GAP_GRACE seconds.
        """
        if isinstance(message, GoneNotice):
            self.channel.tell_gone([message], now())
            self.pump_soon()
            return
        position = message.position if isinstance(message, ChangeFrame) else message
        if position is not None and position.epoch == self._store_position.epoch:
            # A message with another epoch may be an old one that comes late. Only a read of the store shows whether
            # there is a new history.
            self.note_position(position)
        if isinstance(message, ChangeFrame):
            self._offer(message)
        elif message is None or self._is_behind(message):
            self._repair()

    def beat(self, viewers_elsewhere: int) -> None:
        """Send all viewers a heartbeat with the number of viewers: the channel's readers plus `viewers_elsewhere`."""
        self.channel.beat(now(), viewers_elsewhere)
        self.pump_soon()

    def pump_soon(self) -> None:
        """Schedule the writing of queued messages, if there are any.

        In each turn of the event loop, the next messages are written to one batch of viewers.
        """
        if self.channel.fanout_queue and not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    # Viewers

    def join(
        self,
        viewer: Viewer,
        after: Position | None,
        older: Iterable[ChangeFrame],
        *,
        desk_fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Register a viewer, send it the changes that it missed, and notify the observer, unless it is a desk stream.

        `after` and `older`: the two values that `bridge` returns for the viewer's position. If the viewer has no
        position, `after` is None, `older` is empty, and no earlier changes are sent. `desk_fields`: further fields of
        `hello` for a desk stream; None for other viewers.
        """
        self.idle_since = None
        self.channel.join(viewer, after, now(), older, desk_fields=desk_fields)
        if desk_fields is None:
            self._observer.came(self.liveblog, viewer)

    def resume(self, viewer: Viewer) -> None:
        """Send a lagging viewer the changes that it missed. Does nothing if the viewer doesn't lag.

        If the channel's memory doesn't have these changes any more, they are read from the store in the background. If
        this read fails, the viewer is closed.
        """
        lag = self.channel.lagging.get(viewer)
        if lag is None:
            return
        if self.channel.covers(lag.position):
            self.channel.resume(viewer, lag.position, now())
        else:
            self._tasks.spawn(self._catch_up(viewer, lag))

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer, and notify the observer, unless it is a desk stream.

        Does nothing if the channel doesn't have the viewer.
        """
        is_desk_stream = viewer in self.channel.desk_streams
        if not self.channel.leave(viewer):
            return
        if not is_desk_stream:
            self._observer.left(self.liveblog, viewer)
        self._progress.set()
        if self.channel.count == 0 and self.idle_since is None:
            self.idle_since = now()

    def close(self, viewer: Viewer, code: int) -> None:
        """Do what `leave` does, and close the viewer's connection with a WebSocket close code."""
        self.leave(viewer)
        viewer.close(code)

    async def bridge(self, after: Position) -> tuple[Position, list[ChangeFrame]]:
        """Read from the store the changes that a viewer missed and that the channel's memory doesn't have any more.

        `after`: the position of the viewer, which joins or resumes. Returns the arguments `after` and `older` for
        `join`. If the viewer missed too many changes for a replay, the returned position is VOID_POSITION. Raises
        NotFound if the live blog doesn't exist, and StoreUnavailable.
        """
        channel = self.channel
        if not self._replays.reaches(after, channel.position):
            return VOID_POSITION, []
        if after.epoch != channel.position.epoch or after.seq > channel.position.seq:
            # The viewer may come from another node, which may have got later changes than this node. Only a read of the
            # store shows whether the viewer's position is void.
            await self.read_missing()
        while after.epoch == channel.position.epoch and after.seq < channel.floor:
            replay = await self._replays.read(after, channel.position)
            if replay.position.epoch == channel.position.epoch and replay.position.seq >= channel.floor:
                return (after if after.seq >= replay.floor else VOID_POSITION), replay.frames
            # Since the replay was read, the channel's memory has forgotten changes that came after the replay.
            self._replays.drop()
            await self.read_missing()
        return after, []

    async def _catch_up(self, viewer: Viewer, lag: Lag) -> None:
        try:
            position, older = await self.bridge(lag.position)
        except (StoreUnavailable, NotFound):
            self.close(viewer, close_codes.CLOSE_TOO_SLOW)
            return
        # The viewer may have left meanwhile. Or an earlier call has brought it up to date, and it lags again.
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
        if not self.read_missing.pending:
            self._tasks.spawn(self._repair_now())

    async def _repair_now(self) -> None:
        # If the read fails, the changes are still missing. The next poll will notice that.
        with suppress(StoreUnavailable, NotFound):
            await self.read_missing()

    async def _repair_unless_closed(self) -> None:
        await asyncio.sleep(GAP_GRACE)
        self._gap_waits = False
        if self.channel.ahead:
            await self._repair_now()

    async def _read_missing(self) -> None:
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
