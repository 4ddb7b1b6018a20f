"""Views in the hub: a room of its own for each live blog, filter and delay that somebody reads.

To the hub a view is one more live blog, with a key for a slug. What the bus brings of the live blog, or this process
publishes, is made a message of each of its views here, once for all their viewers: an entry that the view doesn't show
becomes a deletion, and what is late waits in a line. A deletion doesn't wait: the view's readers are told at once that
the entry is gone, and what waits of it loses its words.

Like all that the bus brings, these are hints. What is missing the hub reads from the store, as of the view's moment.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from liveserver.coalescing import Coalesced
from liveserver.errors import NotFound, StoreUnavailable
from liveserver.frames import ChangeFrame, pack, pack_withdrawal, unpack
from liveserver.model import Position, Withdrawal
from liveserver.view import View

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from liveserver.bus import Bus, Receiver
    from liveserver.channel import Replay
    from liveserver.history import StoreHistory
    from liveserver.store import Store

LINE_BYTES = 8 * 1024 * 1024
"""How much may wait in one line; of what comes then, the position waits, and the store is read when its time comes."""

MARGIN = 0.002
"""Seconds by which what is read from the store comes later: moments are kept in milliseconds."""


class Line:
    """What waits for its time in a view that is late."""

    def __init__(self, view: View, read: Callable[[Line], Awaitable[None]]) -> None:
        self.view = view
        self.check: Coalesced[None] = Coalesced(lambda: read(self))
        """Reads from the store what the line doesn't know."""
        self.heard: Position | None = None
        """How far the live blog is known to have got; None: that hasn't been read yet."""
        self.released = 0
        """Up to here nothing waits any more."""
        self.timer: asyncio.TimerHandle | None = None
        self._waiting: dict[int, ChangeFrame | Position] = {}
        """By seq; a position alone has to be read from the store when its time comes."""
        self._due: list[tuple[float, int]] = []
        """A heap of when, by the event loop's clock, and which."""
        self._size = 0

    @property
    def due(self) -> float | None:
        """When the next change is due; None while nothing waits."""
        return self._due[0][0] if self._due else None

    def clear(self) -> None:
        """Nothing waits any more."""
        self._waiting.clear()
        self._due.clear()
        self._size = 0
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def put(self, seq: int, change: ChangeFrame | Position, due: float) -> None:
        """Have a change wait, unless it has had its time; one that waits already keeps its time."""
        there = self._waiting.get(seq)
        if seq <= self.released or isinstance(there, ChangeFrame):
            return
        if isinstance(change, ChangeFrame):
            if self._size + len(change.message) > LINE_BYTES:
                change = change.position
            else:
                self._size += len(change.message)
        if there is None:
            heapq.heappush(self._due, (due, seq))
        self._waiting[seq] = change

    def take(self, now: float) -> list[ChangeFrame | Position]:
        """What is due, ascending by seq."""
        seqs = []
        while self._due and self._due[0][0] <= now:
            seqs.append(heapq.heappop(self._due)[1])
        taken = [self._waiting.pop(seq) for seq in sorted(seqs)]
        self._size -= sum(len(change.message) for change in taken if isinstance(change, ChangeFrame))
        self.released = max([self.released, *seqs])
        return taken

    def withdraw(self, entry_id: str) -> None:
        """What waits of an entry loses its words."""
        for seq, change in self._waiting.items():
            if isinstance(change, ChangeFrame) and change.key == entry_id and not change.deletes:
                emptied = change.withdrawn()
                self._size += len(emptied.message) - len(change.message)
                self._waiting[seq] = emptied


class Views:
    """The bus and the history of a hub that has rooms for views. Implements both ports."""

    def __init__(self, store: Store, history: StoreHistory, bus: Bus) -> None:
        self._store = store
        self._history = history
        self._bus = bus
        self._receiver: Receiver | None = None
        self._keys: dict[str, set[str]] = {}
        """Of each live blog: what is subscribed of it, by its views' keys."""
        self._lines: dict[str, Line] = {}
        """Of the views that are late."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def up(self) -> bool:
        """Whether messages can be expected to arrive."""
        return self._bus.up

    async def start(self, receiver: Receiver) -> None:
        """Begin to deliver to `receiver`."""
        self._receiver = receiver
        await self._bus.start(self)

    async def close(self) -> None:
        """Stop delivering, and free what is held."""
        await self._bus.close()
        self._receiver = None
        running: list[asyncio.Task[Any]] = list(self._tasks)
        for line in self._lines.values():
            line.clear()
            running += line.check.cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def publish(self, slug: str, message: bytes) -> None:
        """Hand a live blog's message to its views here, and to every process."""
        # Not when it comes back: the bus may be down.
        self._derive(slug, message)
        self._bus.publish(slug, message)

    def announce(self, message: bytes) -> None:
        """Hand `message` to every other process."""
        self._bus.announce(message)

    async def subscribe(self, slug: str) -> None:
        """Deliver a view's messages from now on. Raises NotFound and StoreUnavailable for one that is late."""
        view = View.of(slug)
        self._keys.setdefault(view.slug, set()).add(slug)
        if view.delay and slug not in self._lines:
            self._lines[slug] = Line(view, lambda line: self._read_into(slug, line))
        await self._bus.subscribe(view.slug)
        if view.delay:
            await self._lines[slug].check()

    async def unsubscribe(self, slug: str) -> None:
        """Deliver them no more."""
        whole = View.of(slug).slug
        keys = self._keys.get(whole, set())
        keys.discard(slug)
        if (line := self._lines.pop(slug, None)) is not None:
            line.clear()
        if not keys:
            self._keys.pop(whole, None)
            await self._bus.unsubscribe(whole)

    def received(self, slug: str, message: bytes) -> None:
        """A message of a live blog."""
        if self._receiver is not None and slug in self._keys.get(slug, ()):
            self._receiver.received(slug, message)
        self._derive(slug, message)

    def announced(self, message: bytes) -> None:
        """What a process told all others."""
        if self._receiver is not None:
            self._receiver.announced(message)

    def link_changed(self, up: bool) -> None:
        """The bus went down, or came back."""
        if self._receiver is not None:
            self._receiver.link_changed(up)

    async def after(self, slug: str, position: Position) -> Replay:
        """Everything after a position; as `History` says."""
        return await self._history.after(slug, position)

    async def recent(self, slug: str, count: int) -> Replay:
        """The last changes, at most `count`."""
        return await self._history.recent(slug, count)

    async def positions(self, slugs: Collection[str]) -> dict[str, Position]:
        """Where each view stands; the lines hear of what the bus has lost."""
        late = {key: line for key in slugs if (line := self._lines.get(key)) is not None}
        found = await self._history.positions({*slugs, *(line.view.slug for line in late.values())})
        for line in late.values():
            here = found.get(line.view.slug)
            if here is not None and _is_news(here, line.heard):
                self._check(line)
        return {key: found[key] for key in slugs if key in found}

    def _derive(self, slug: str, message: bytes) -> None:
        """Make a live blog's message one of each of its views."""
        keys = self._keys.get(slug, set()) - {slug}
        change = unpack(message) if keys else None
        if change is None or isinstance(change, Withdrawal):
            return
        tags = _tags_of(change) if isinstance(change, ChangeFrame) and any(View.of(key).tags for key in keys) else None
        for key in sorted(keys):
            view, shown = View.of(key), change
            if isinstance(change, ChangeFrame) and tags is not None and not view.shows(tags):
                shown = change.withdrawn()
            if view.delay:
                self._queue(key, self._lines[key], change, shown)
            else:
                self._deliver(key, shown)

    def _deliver(self, key: str, change: ChangeFrame | Position) -> None:
        if self._receiver is not None:
            message = pack(change) if isinstance(change, ChangeFrame) else str(change).encode()
            self._receiver.received(key, message)

    def _queue(self, key: str, line: Line, change: ChangeFrame | Position, shown: ChangeFrame | Position) -> None:
        """Put a change into a line; `shown` is what the view makes of it."""
        position = change.position if isinstance(change, ChangeFrame) else change
        heard = line.heard
        if heard is None or position.epoch != heard.epoch:
            # The line is being read; or the history was replaced, which only the store can tell.
            self._check(line)
            return
        if position.seq > heard.seq + 1:
            # What is missing may be a deletion, which must not wait.
            self._check(line)
        line.heard = max(heard, position, key=lambda each: each.seq)
        if isinstance(change, ChangeFrame) and change.deletes:
            # Readers are asked to confirm it now, by the withdrawal, not once more in its turn.
            shown = change.withdrawn()
        line.put(position.seq, shown, self._now() + line.view.delay)
        self._wind(key, line)
        if isinstance(change, ChangeFrame) and change.deletes:
            self._withdraw(key, line, Withdrawal(change.key, position.seq, _within_of(change)))

    def _withdraw(self, key: str, line: Line, withdrawal: Withdrawal) -> None:
        line.withdraw(withdrawal.id)
        if self._receiver is not None:
            self._receiver.received(key, pack_withdrawal(withdrawal))

    def _wind(self, key: str, line: Line) -> None:
        """Set the timer to what is due next."""
        due = line.due
        if due is not None and (line.timer is None or line.timer.when() > due):
            if line.timer is not None:
                line.timer.cancel()
            line.timer = asyncio.get_running_loop().call_at(due, self._release, key, line)

    def _release(self, key: str, line: Line) -> None:
        line.timer = None
        for change in line.take(self._now()):
            self._deliver(key, change)
        self._wind(key, line)

    def _check(self, line: Line) -> None:
        if not line.check.pending:
            task = asyncio.create_task(self._check_now(line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _check_now(self, line: Line) -> None:
        # What isn't read now, the next poll finds.
        with suppress(StoreUnavailable, NotFound):
            await line.check()

    async def _read_into(self, key: str, line: Line) -> None:
        began, moment = self._now(), self._history.moment(line.view)
        position, changes, withdrawn = await self._store.pending(line.view.slug, moment)
        if self._lines.get(key) is not line:
            return
        if line.heard is None or line.heard.epoch != position.epoch:
            line.clear()
            line.heard, line.released = position, changes[0][0] - 1 if changes else position.seq
        elif position.seq > line.heard.seq:
            line.heard = position
        for seq, at in changes:
            line.put(seq, Position(position.epoch, seq), began + (at - moment).total_seconds() + MARGIN)
        self._wind(key, line)
        for withdrawal in self._history.asking(withdrawn):
            self._withdraw(key, line, withdrawal)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _is_news(here: Position, heard: Position | None) -> bool:
    return heard is None or here.epoch != heard.epoch or here.seq > heard.seq


def _within_of(deletion: ChangeFrame) -> int | None:
    """Within how many milliseconds readers are to confirm a deletion; None if they aren't asked."""
    message: Any = orjson.loads(deletion.message)
    return message["confirm"]["within"] if "confirm" in message else None


def _tags_of(change: ChangeFrame) -> list[str] | None:
    """The tags of the entry that was changed; None for any other change."""
    message: Any = orjson.loads(change.message)
    return message["entry"]["tags"] if message["type"] == "entry" else None
