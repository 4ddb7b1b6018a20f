"""The rooms: the desk streams of this node by live blog, and the messages that only desk streams are sent.

A message for the desk streams of a live blog is encoded once, and written to all of them in one step. The other nodes
get it by the bus, which may lose it. So a stream is sent the board's tag when it comes, after it lagged, and every
BOARD_SECONDS. An editor's page whose board has another tag fetches the board.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from liveserver.domain.errors import LiveserverError, NotFound, Quota, StoreUnavailable, TooManyRequests
from liveserver.newsroom.desk.desk_stream import DeskStream
from liveserver.newsroom.desk.presence import LIFETIME, DeskPresence
from liveserver.protocol import desk_messages, json_encoding
from liveserver.protocol.frames import Frame
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liveserver.domain.audience import Takedown
    from liveserver.domain.people.principal import Principal
    from liveserver.newsroom.reach import Reach
    from liveserver.newsroom.takedowns import Takedowns
    from liveserver.protocol.desk_messages import Person, Word
    from liveserver.realtime.bus import Bus
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.viewer import Viewer
    from liveserver.store import Store

STREAMS_MAX = 300
"""The greatest number of desk streams of a live blog in one process. Each costs as much as a reader. The list of people
has this limit, too (`presence.PEOPLE_MAX`)."""
STREAMS_OF_USER_MAX = 20
"""The greatest number of desk streams of one user in one process. Nobody looks at more tabs than that.

Desk streams aren't limited by address: a newsroom has one address for all its editors."""
STREAMS_AGAIN = 10
"""Seconds of `Retry-After` if too many desk streams are open. It is a guess: nobody knows when one is closed."""
PAUSE = 0.25
"""Seconds for which changes of presence are gathered before desk streams and the other nodes are told of them."""
CROWD = 20
"""The greatest number of people for which desk streams are sent a new list after `PAUSE`. A longer list is sent after
twice `PAUSE`: with two hundred people it changes all the time, and each new list goes to all streams. A change is still
seen everywhere within a second."""

_MARK = b'{"desk":'
"""The beginning of each announcement to desk streams. An announcement without it needn't be parsed.

The words of announcements stay as they are: in a rolling update, nodes of the former release read them, too."""


class Room:
    """The desk streams of one live blog on this node, and what they were last sent."""

    def __init__(self) -> None:
        self.streams: set[DeskStream] = set()
        self.people: list[Person] | None = None
        self.figures: dict[str, int] = {}
        self.takedowns: dict[str, Takedown] = {}

    def send(self, message: bytes) -> None:
        """Write a message to all streams. If one lags, or hasn't had its `hello`, its `missed` becomes True."""
        frame = Frame(message)
        by_class: dict[type[Viewer], dict[Viewer, DeskStream]] = {}
        for stream in self.streams:
            if stream.viewer is None:
                stream.missed = True
            else:
                by_class.setdefault(type(stream.viewer), {})[stream.viewer] = stream
        for viewer_class, viewers in by_class.items():
            for laggard, _ in viewer_class.write_all(list(viewers), [frame]):
                viewers[laggard].missed = True


class DeskRooms:
    """The desk streams of one process. Implements `ViewerObserver`, for announcements of the other nodes."""

    def __init__(
        self, store: Store, hub: Hub, bus: Bus, reach: Reach, takedowns: Takedowns, *, lifetime: float = LIFETIME
    ) -> None:
        """`lifetime`: seconds after a person's last word until the person is gone."""
        self._store = store
        self._hub = hub
        self._bus = bus
        self._reach = reach
        self._takedowns = takedowns
        self._presence = DeskPresence(lifetime)
        self._rooms: dict[str, Room] = {}
        self._to_read: set[str] = set()
        """The slugs of the live blogs for which the next query is to read the board's tag."""
        self._tags = FreshFlight(self._read_tags)
        self._announcing: dict[str, asyncio.TimerHandle] = {}
        """By slug: the timer after which the other nodes are told of changes of the people at this node."""
        self._telling: dict[str, asyncio.TimerHandle] = {}
        """By slug: the timer after which this node's desk streams are told of changes of the people at all nodes."""
        self._tasks = BackgroundTasks()
        self.check_sessions = asyncio.Event()
        """Set this when sessions may have ended, or roles may have changed: desk streams are then checked at once."""

    def __iter__(self) -> Iterator[tuple[str, Room]]:
        return iter(list(self._rooms.items()))

    def streams(self) -> list[DeskStream]:
        """Return all desk streams of this process."""
        return [stream for _, room in self for stream in room.streams]

    def counts(self) -> dict[str, int]:
        """Return how many desk streams each live blog has in this process."""
        return {slug: len(room.streams) for slug, room in self}

    def open(self, slug: str, by: Principal) -> DeskStream:
        """Return a new desk stream. The transport then calls its `join`.

        Raises TooManyRequests if the user, or the live blog, has too many desk streams already.
        """
        of_user = Counter(stream.by.id for stream in self.streams())[by.id]
        if of_user >= STREAMS_OF_USER_MAX:
            quota = Quota("streams-held", STREAMS_OF_USER_MAX, unit="concurrent-requests")
            detail = f"{by.name} has {of_user} desk streams open, as many as one person may"
            raise TooManyRequests(detail, quota, STREAMS_AGAIN)
        if (room := self._rooms.get(slug)) is not None and len(room.streams) >= STREAMS_MAX:
            quota = Quota("streams-held", STREAMS_MAX, unit="concurrent-requests")
            detail = f"{STREAMS_MAX} desk streams are open on this live blog, as many as may"
            raise TooManyRequests(detail, quota, STREAMS_AGAIN)
        return DeskStream(self._hub, self, slug, by)

    # Calls of desk streams

    def enter(self, stream: DeskStream) -> None:
        """Add a stream to its live blog's room, and its editor to the list of people."""
        self._rooms.setdefault(stream.slug, Room()).streams.add(stream)
        self._note(stream, None)

    def leave(self, stream: DeskStream) -> None:
        """Forget a stream. Does nothing if it isn't known."""
        room = self._rooms.get(stream.slug)
        if room is None or stream not in room.streams:
            return
        room.streams.discard(stream)
        if not room.streams:
            del self._rooms[stream.slug]
        self._presence.left(stream.slug, stream)
        self._people_changed(stream.slug)

    def heard(self, stream: DeskStream, word: Word) -> None:
        """Note the entry and state that an editor has sent. Does nothing if the stream has left."""
        room = self._rooms.get(stream.slug)
        if room is not None and stream in room.streams:
            self._note(stream, word)

    def greet(self, stream: DeskStream) -> None:
        """Send a stream the present people, figures and takedowns.

        If the stream has missed a message (`DeskStream.missed`), the board's tag follows.
        """
        room, viewer = self._rooms.get(stream.slug), stream.viewer
        if room is None or viewer is None:
            return
        if stream.missed:
            stream.missed = False
            self._tasks.spawn(self._tell_board(stream))
        messages = [
            desk_messages.presence(self._presence.people(stream.slug, _now())),
            desk_messages.figures(self._reach.viewers_now(stream.slug)),
            *map(desk_messages.takedown, self._takedowns.under_way(stream.slug)),
        ]
        stream.missed = not all(viewer.write(Frame(message)) for message in messages)

    async def board_tag(self, slug: str) -> str:
        """Return the tag of a live blog's board, read by a query that begins after this call.

        Calls that come while a query runs share the next query. Raises NotFound if there is no such live blog.
        Raises StoreUnavailable.
        """
        self._to_read.add(slug)
        tag = (await self._tags()).get(slug)
        if tag is None:
            raise NotFound(f"there is no live blog {slug!r}")
        return tag

    # Messages to desk streams

    def tell(self, slug: str, message: bytes) -> None:
        """Send a message to the desk streams of a live blog, on all nodes. If the bus loses it, the others miss it."""
        if (room := self._rooms.get(slug)) is not None:
            room.send(message)
        self._announce("message", slug, message=orjson.Fragment(message))

    def refresh(self, slug: str, room: Room) -> None:
        """Send a live blog's desk streams the list of people, the figures and the takedowns, if these have changed."""
        self._refresh_people(slug, room)
        if (figures := self._reach.viewers_now(slug)) != room.figures:
            room.figures = figures
            room.send(desk_messages.figures(figures))
        takedowns = {takedown.entry_id: takedown for takedown in self._takedowns.under_way(slug)}
        for entry_id, takedown in takedowns.items():
            if room.takedowns.get(entry_id) != takedown:
                room.send(desk_messages.takedown(takedown))
        for entry_id in room.takedowns.keys() - takedowns.keys():
            self._tasks.spawn(self._tell_end(slug, entry_id))
        room.takedowns = takedowns

    def announce_people(self) -> None:
        """Announce the people at this node to the other nodes, and free the memory of people who are gone."""
        self._presence.forget(_now())
        for slug in self._rooms:
            self._announce_people(slug)

    async def tell_boards(self) -> None:
        """Send all desk streams the tags of their boards. Raises StoreUnavailable."""
        tags = await self._store.liveblogs.board_tags(list(self._rooms))
        for slug, room in self:
            if (tag := tags.get(slug)) is not None:
                room.send(desk_messages.board(tag))

    async def close(self) -> None:
        """Announce the changes of people that still wait for a timer, and cancel all timers, tasks and queries."""
        for timer in self._telling.values():
            timer.cancel()
        for slug in list(self._announcing):
            self._announce_people(slug)
        await asyncio.gather(*self._tasks.cancel(), *self._tags.cancel(), return_exceptions=True)

    # The hub's calls

    def announced(self, message: bytes, /) -> None:
        """Handle another node's announcement to desk streams. Ignores this node's own, and those of another kind."""
        if not message.startswith(_MARK):
            return
        try:
            content: Any = orjson.loads(message)
        except orjson.JSONDecodeError:
            return
        match content:
            case {"node": str(node)} if node == self._hub.node:
                return
            case {"desk": "message", "liveblog": str(slug), "message": dict(for_streams)}:
                if (room := self._rooms.get(slug)) is not None:
                    room.send(json_encoding.dumps(for_streams))
            case {"desk": "people", "liveblog": str(slug), "node": str(node), "people": list(people)}:
                before = self._presence.people(slug, _now())
                self._presence.take(slug, node, people, _now())
                if self._presence.people(slug, _now()) != before:
                    self._tell_soon(slug)

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """Do nothing: `refresh` reads the number of viewers every second."""

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """Do nothing: `refresh` reads the number of viewers every second."""

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """Do nothing: readers say nothing to editors."""

    def asked(self, slug: str, /) -> int:
        """Return 0: readers are asked for nothing here."""
        return 0

    # Within

    def _note(self, stream: DeskStream, word: Word | None) -> None:
        if self._presence.said(stream.slug, stream, stream.person(word), _now()):
            self._people_changed(stream.slug)

    def _people_changed(self, slug: str) -> None:
        """Start the timers after which the other nodes, and this node's desk streams, are told of a change here."""
        if slug not in self._announcing:
            self._announcing[slug] = asyncio.get_running_loop().call_later(PAUSE, self._announce_people, slug)
        self._tell_soon(slug)

    def _tell_soon(self, slug: str) -> None:
        room = self._rooms.get(slug)
        if room is not None and slug not in self._telling:
            pause = PAUSE if len(room.people or ()) <= CROWD else 2 * PAUSE
            self._telling[slug] = asyncio.get_running_loop().call_later(pause, self._tell_people, slug)

    def _tell_people(self, slug: str) -> None:
        del self._telling[slug]
        if (room := self._rooms.get(slug)) is not None:
            self._refresh_people(slug, room)

    def _refresh_people(self, slug: str, room: Room) -> None:
        if (people := self._presence.people(slug, _now())) != room.people:
            room.people = people
            room.send(desk_messages.presence(people))

    def _announce_people(self, slug: str) -> None:
        if (timer := self._announcing.pop(slug, None)) is not None:
            timer.cancel()
        self._announce("people", slug, people=self._presence.announcement(slug, _now()))

    def _announce(self, kind: str, slug: str, **fields: Any) -> None:
        if self._bus.up:
            content = {"desk": kind, "node": self._hub.node, "liveblog": slug, **fields}
            self._bus.announce(json_encoding.dumps(content))

    async def _read_tags(self) -> dict[str, str]:
        slugs, self._to_read = self._to_read, set()
        return await self._store.liveblogs.board_tags(sorted(slugs))

    async def _tell_board(self, stream: DeskStream) -> None:
        # If the store is away, all desk streams are sent the tag a few seconds later anyway.
        with suppress(NotFound, StoreUnavailable):
            tag = await self.board_tag(stream.slug)
            if stream.viewer is not None and not stream.viewer.write(Frame(desk_messages.board(tag))):
                stream.missed = True

    async def _tell_end(self, slug: str, entry_id: str) -> None:
        """Send desk streams the stored result of a takedown whose counting ended. Sends nothing if the read fails."""
        with suppress(LiveserverError):
            takedown = await self._takedowns.find(slug, entry_id)
            if (room := self._rooms.get(slug)) is not None:
                room.send(desk_messages.takedown(takedown))


def _now() -> float:
    return asyncio.get_running_loop().time()
