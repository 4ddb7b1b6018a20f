"""The live blogs that somebody reads here, each with its views: opened when they are asked for, and forgotten again."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from liveserver.channel import Channel
from liveserver.room import Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from liveserver.bus import Bus
    from liveserver.room import History

EARLY_MAX = 256
"""Messages kept for a room that is being opened. When the oldest is lost, the next one shows the gap."""


class Rooms:
    """The rooms of a hub, by what is read in them: a slug, or the key of a view."""

    def __init__(
        self,
        history: History,
        bus: Bus,
        eased: asyncio.Event,
        take: Callable[[Room, bytes], None],
        *,
        heartbeat: int,
        recent_max: int,
    ) -> None:
        """`take`: what becomes of a message that came while its room was being opened. `eased`: see `Room`."""
        self._history = history
        self._bus = bus
        self._eased = eased
        self._take = take
        self._heartbeat = heartbeat
        self._recent_max = recent_max
        self._rooms: dict[str, Room] = {}
        self._readings: dict[str, dict[str, Room]] = {}
        """The rooms of each live blog: its own, and those of its views."""
        self._opening: dict[str, asyncio.Task[Room]] = {}
        self._early: dict[str, deque[bytes]] = {}
        """Messages for rooms that are being opened."""

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._rooms.values()))

    def get(self, key: str) -> Room | None:
        """The room, if it is open."""
        return self._rooms.get(key)

    def ready(self, key: str, message: bytes) -> Room | None:
        """The room that a message is for, if it is open; one that is being opened takes it afterwards."""
        early = self._early.get(key)
        if early is not None:
            early.append(message)
            return None
        return self._rooms.get(key)

    def of(self, slug: str) -> list[Room]:
        """The rooms of a live blog and of its views; given the key of a view, that view's."""
        if "?" in slug:
            return [room] if (room := self._rooms.get(slug)) else []
        return list(self._readings.get(slug, {}).values())

    def liveblogs(self) -> list[str]:
        """The slugs of those that have a room, or a view of which has one."""
        return list(self._readings)

    async def open(self, key: str) -> Room:
        """The room, made if there is none. Raises NotFound and StoreUnavailable."""
        room = self._rooms.get(key)
        if room is not None:
            return room
        task = self._opening.get(key)
        if task is None:
            task = asyncio.create_task(self._load(key), name=f"open {key}")
            self._opening[key] = task
            task.add_done_callback(lambda _: self._opening.pop(key, None))
        try:
            return await asyncio.shield(task)
        finally:
            # What it raises refers to this frame: a circle, which would keep the viewer until it is collected.
            del task

    def drop(self, key: str) -> None:
        """Forget a room. The caller unsubscribes from the bus."""
        room = self._rooms.pop(key)
        readings = self._readings[room.liveblog]
        del readings[key]
        if not readings:
            del self._readings[room.liveblog]

    async def close(self) -> None:
        """Forget all of them, and end what is being read."""
        running = [task for room in self for task in room.cancel()]
        self._rooms.clear()
        self._readings.clear()
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*running, *self._opening.values(), return_exceptions=True)

    async def _load(self, key: str) -> Room:
        # Subscribe before reading: what is committed after the read is announced on the bus, and kept in `_early`.
        self._early[key] = deque(maxlen=EARLY_MAX)
        try:
            await self._bus.subscribe(key)
            start = await self._history.recent(key, self._recent_max)
        except BaseException:
            del self._early[key]
            await self._bus.unsubscribe(key)
            raise
        channel = Channel(key, start, recent_max=self._recent_max, heartbeat=self._heartbeat)
        room = Room(channel, self._history, self._eased)
        self._rooms[key] = room
        self._readings.setdefault(room.liveblog, {})[key] = room
        for message in self._early.pop(key):
            self._take(room, message)
        return room
