"""Takedowns: viewers confirm that a deleted entry is gone from their pages, and the server counts the confirmations.

The delete message asks for a confirmation (`confirm`), and each viewer answers once, at a random moment: on its
WebSocket, or by POST. Every node counts its own viewers (`newsroom/takedown_counter.py`), and announces its counts to
the other nodes every INTERVAL seconds. An announcement is one message, however many viewers there are. The node that
deleted the entry ends the counting, and writes the counts of all nodes to the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from liveserver.domain.audience import ConfirmationCounts, Takedown
from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.ids import now
from liveserver.newsroom.takedown_counter import TakedownCounter, total, waiting
from liveserver.protocol import json_encoding

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.realtime.bus import Bus
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.pending_confirmations import PendingConfirmations
    from liveserver.realtime.viewer import Viewer
    from liveserver.store import Store

WITHIN_MS = 5_000
"""The shortest time for the answers of viewers, in milliseconds. Very many viewers get more time (VIEWERS_PER_MS)."""
VIEWERS_PER_MS = 2
"""The number of answers per millisecond that the servers can easily process. The number of viewers divided by this
number is the time for the answers, but the time is at least WITHIN_MS and at most WITHIN_MAX_MS."""
WITHIN_MAX_MS = 20_000
"""The longest time for the answers of viewers, in milliseconds."""

INTERVAL = 0.5
"""Seconds between two announcements of a node's counts to the other nodes."""
MIN_EXTRA_SECONDS = 15.0
"""How long, in seconds, counting goes on after the time for the answers, even if all viewers have answered. In these
seconds, readers that poll can answer, too."""
MAX_SECONDS = 60.0
"""How many seconds after a takedown's beginning its counting ends, even if some viewers haven't answered."""
GRACE_SECONDS = 60.0
"""How long, in seconds, the counts can still be written to the store after MAX_SECONDS, if the store was unavailable
before. After these seconds, all nodes forget the takedown."""
NOTE_AGAIN_SECONDS = 5.0
"""The pause, in seconds, after a failed attempt to write a new takedown to the store. An attempt may take seconds, and
during the attempt this node announces no counts."""
ACTIVE_MAX = 16
"""The greatest number of takedowns that are counted at a time, as each needs memory. If one more begins, the oldest
takedown ends."""
POSTS_MAX = 1_000
"""The greatest number of answers by other nodes' viewers in one announcement. More answers wait for the next
announcement."""
ASKED_SECONDS = MAX_SECONDS + GRACE_SECONDS
"""How long, in seconds, a viewer may answer after a takedown's beginning. A page in the background may answer all
takedowns at once, a minute late."""
ASKED_MAX = 1_000
"""The greatest number of takedowns that a viewer may have to answer at a time. Nobody deletes so many entries by hand
within `ASKED_SECONDS`."""
PENDING_MAX = 20_000
"""For each takedown, the greatest number of answers by other nodes' viewers that wait to be announced. More answers are
dropped, and the viewers that sent them count as waiting until the counting ends."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counting:
    """One takedown whose confirmations are being counted."""

    slug: str
    entry_id: str
    seq: int
    at: datetime
    within: int
    """The milliseconds in which viewers are to answer."""
    ours: bool
    """True if this node deleted the entry."""
    since: float
    """The time at which the counting began on this node, on the event loop's clock."""
    counter: TakedownCounter
    noted: bool = False
    """True if the store has the takedown, so that it isn't lost if this process is killed."""
    elsewhere: dict[str, dict[str, ConfirmationCounts]] = field(default_factory=dict)
    """The counts that other nodes have announced, by node and partner."""
    pending: list[tuple[str, bool]] = field(default_factory=list)
    """Answers of other nodes' viewers that were posted to this node. Each is a pair: a reply id, and True if the viewer
    had the entry until it answered."""

    def state(self, ended_at: datetime | None = None) -> Takedown:
        """Return the takedown with the counts of all nodes added up, as the nodes last reported them.

        `ended_at`: the time at which the counting ended; None if it goes on.
        """
        by_partner = total([self.counter.by_partner, *self.elsewhere.values()])
        return Takedown(self.entry_id, self.seq, self.at, ended_at, by_partner)


class Takedowns:
    """The takedowns of one process. Implements `ViewerObserver`."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        bus: Bus,
        confirmations: PendingConfirmations,
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """`confirmations`: is told which deletions viewers are to confirm. The presenter reads it for its messages."""
        self._store = store
        self._hub = hub
        self._bus = bus
        self._confirmations = confirmations
        self._clock = clock
        self._active: dict[str, Counting] = {}
        self._asked: dict[str, deque[float]] = {}
        """By slug: for each takedown, the time until which viewers may answer it, in ascending order."""
        self._task: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        """Set when a takedown begins, so that `_run` writes it to the store at once."""
        self._note_from = 0.0
        """The time, on the event loop's clock, before which no new takedown is written to the store."""

    def begin(self, slug: str, entry_id: str, seq: int) -> Takedown:
        """Begin a takedown, and return it.

        Must be called after the deletion's commit, and before the delete message is made.
        """
        everyone = self._hub.count_everywhere(slug)
        within = min(WITHIN_MAX_MS, max(WITHIN_MS, everyone // VIEWERS_PER_MS))
        counting = self._begin(slug, entry_id, seq, self._clock(), within, ours=True)
        self._report(counting)
        return counting.state()

    async def find(self, slug: str, entry_id: str) -> Takedown:
        """Return a takedown with its present counts. Raises NotFound and StoreUnavailable."""
        counting = self._active.get(entry_id)
        if counting is not None and counting.slug == slug:
            return counting.state()
        return await self._store.takedowns.find(slug, entry_id)

    def under_way(self, slug: str) -> list[Takedown]:
        """Return the takedowns of a live blog that are being counted, with their present counts, oldest first."""
        return [counting.state() for counting in self._active.values() if counting.slug == slug]

    def posted(self, slug: str, entry_id: str, reply_id: str, *, had: bool, partner: str = "") -> None:
        """Count an answer that came by POST. If another node has the viewer, keep the answer for this other node.

        `had`: True if the reader had the entry until it answered. `partner`: the partner whose page sent the answer; ""
        if none. Does nothing if no takedown of the entry is being counted.
        """
        counting = self._active.get(entry_id)
        if counting is None or counting.slug != slug:
            return
        node, dot, _ = reply_id.partition(".")
        if dot and node != self._hub.node and node in counting.elsewhere:
            if len(counting.pending) < PENDING_MAX:
                counting.pending.append((reply_id, had))
        else:
            counting.counter.posted(reply_id, had=had, partner=partner)

    def came(self, slug: str, viewer: Viewer, /) -> None:
        """Do nothing: a viewer that comes after the deletion is counted when it answers."""

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """Note in all takedowns of this live blog that a viewer has left."""
        for counting in self._active.values():
            if counting.slug == slug:
                counting.counter.left(viewer)

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """Count a viewer's answer to a takedown. Ignores other messages."""
        if not self._active:
            return
        try:
            content: Any = orjson.loads(message)
        except orjson.JSONDecodeError:
            return
        match content:
            case {"type": "gone", "id": str(entry_id), "had": bool(had)}:
                counting = self._active.get(entry_id)
                if counting is not None and counting.slug == slug:
                    counting.counter.answered(viewer, had=had)

    def asked(self, slug: str, /) -> int:
        """Return the number of takedowns that a viewer of this live blog may have to answer now."""
        expiries = self._asked.get(slug)
        if expiries is None:
            return 0
        while expiries and expiries[0] <= self._now():
            expiries.popleft()
        if not expiries:
            del self._asked[slug]
        return len(expiries)

    def announced(self, message: bytes, /) -> None:
        """Note the counts that another node has announced.

        Also counts the answers in the announcement: this node's viewers had posted them to the other node. Ignores
        announcements that aren't about takedowns.
        """
        try:
            content: Any = orjson.loads(message)
        except orjson.JSONDecodeError:
            return
        match content:
            case {"takedown": {"id": str(entry_id)} as report, "node": str(node)} if node != self._hub.node:
                try:
                    self._take_report(entry_id, node, report)
                except (KeyError, TypeError, ValueError, AttributeError):
                    # A newer version may have another format.
                    log.warning("takedowns.unreadable", node=node)

    async def close(self) -> None:
        """Stop counting, and write this node's takedowns to the store. If a write fails, no error is raised."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for counting in list(self._active.values()):
            if counting.ours:
                await self._keep(counting, self._clock())
        self._active.clear()

    def _begin(self, slug: str, entry_id: str, seq: int, at: datetime, within: int, *, ours: bool) -> Counting:
        if sum(not counting.counter.closed for counting in self._active.values()) >= ACTIVE_MAX:
            # `_run` will soon end the oldest takedown. Many more may begin before, so the oldest one's memory is freed
            # now.
            oldest = next(counting for counting in self._active.values() if not counting.counter.closed)
            oldest.since = self._now() - MAX_SECONDS
            oldest.counter.close()
        self._ask(slug)
        counter = TakedownCounter(self._hub.viewers_of(slug))
        counting = Counting(slug, entry_id, seq, at, within, ours, self._now(), counter)
        self._active[entry_id] = counting
        self._confirmations.ask(entry_id, within)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="takedowns")
        self._begun.set()
        return counting

    def _ask(self, slug: str) -> None:
        """Note that each viewer of a live blog is to answer one more takedown.

        Each note raises the limit on what a viewer may send (`realtime/transport/viewer_budget.py`). The notes expire
        one after the other, a second apart. If all expired at once, a viewer that has just sent all its answers would
        be over its limit.
        """
        for known_slug in list(self._asked):
            # This removes the notes that have expired.
            self.asked(known_slug)
        expiries = self._asked.setdefault(slug, deque(maxlen=ASKED_MAX))
        last = expiries[-1] + 1 if expiries else 0.0
        expiries.append(max(last, self._now() + ASKED_SECONDS))

    def _take_report(self, entry_id: str, node: str, report: dict[str, Any]) -> None:
        counting = self._active.get(entry_id)
        if report["ended"]:
            if counting is not None and not counting.ours and counting.seq == report["seq"]:
                self._forget(counting)
            return
        by_partner = {partner: ConfirmationCounts(*counts) for partner, counts in report["counts"].items()}
        if counting is not None and counting.seq != report["seq"]:
            # The entry was withdrawn, published and taken down again. The later takedown counts.
            if counting.seq > report["seq"]:
                return
            counting = None
        if counting is None:
            if not report["ours"]:
                # The takedown has ended, or is unknown here. Only the node that deleted the entry may begin it.
                return
            at = datetime.fromisoformat(report["at"])
            counting = self._begin(report["slug"], entry_id, report["seq"], at, report["within"], ours=False)
        counting.elsewhere[node] = by_partner
        for reply_id, had in report["posted"]:
            if str(reply_id).startswith(f"{self._hub.node}."):
                counting.counter.posted(str(reply_id), had=bool(had))

    def _report(self, counting: Counting, *, ended: bool = False) -> None:
        """Announce this node's counts of a takedown, even unchanged counts: the last announcement may have been lost.

        `ended`: True if the other nodes are to forget the takedown.
        """
        counts = {partner: astuple(counts) for partner, counts in counting.counter.by_partner.items()}
        posted, counting.pending = counting.pending[:POSTS_MAX], counting.pending[POSTS_MAX:]
        report = {
            "id": counting.entry_id,
            "slug": counting.slug,
            "seq": counting.seq,
            "at": json_encoding.timestamp(counting.at),
            "within": counting.within,
            "ours": counting.ours,
            "counts": counts,
            "posted": posted,
            "ended": ended,
        }
        self._bus.announce(json_encoding.dumps({"node": self._hub.node, "takedown": report}))

    async def _run(self) -> None:
        """While there are takedowns, write new takedowns to the store, announce counts, and end old takedowns."""
        announce_at = self._now()
        while self._active:
            self._begun.clear()
            await self._note()
            if self._now() >= announce_at:
                await self._announce()
                announce_at = self._now() + INTERVAL
            with suppress(TimeoutError):
                async with asyncio.timeout_at(announce_at):
                    await self._begun.wait()

    async def _note(self) -> None:
        """Write this node's new takedowns to the store. Stored takedowns can be found even if this process is
        killed."""
        for counting in list(self._active.values()):
            if counting.ours and not counting.noted and self._now() >= self._note_from:
                counting.noted = await self._keep(counting, None)
                if not counting.noted and self._is_active(counting):
                    self._note_from = self._now() + NOTE_AGAIN_SECONDS

    async def _announce(self) -> None:
        for counting in list(self._active.values()):
            if not self._is_active(counting):
                # The node that deleted the entry has ended the takedown, while another one was written to the store.
                continue
            self._report(counting)
            age = self._now() - counting.since
            if counting.ours:
                minimum = counting.within / 1000 + MIN_EXTRA_SECONDS
                if age >= MAX_SECONDS or (age >= minimum and not waiting(counting.state().by_partner)):
                    await self._end(counting, age)
            elif age >= MAX_SECONDS + GRACE_SECONDS:
                self._forget(counting)

    async def _end(self, counting: Counting, age: float) -> None:
        is_kept = await self._keep(counting, self._clock())
        if is_kept or (age >= MAX_SECONDS + GRACE_SECONDS and self._is_active(counting)):
            self._drop(counting)

    async def _keep(self, counting: Counting, ended_at: datetime | None) -> bool:
        """Write a takedown's counts to the store. Returns True if the store has accepted them.

        Returns False if the store is unavailable: the caller is to try again. Also returns False if the store refuses
        the counts. In that case, this node drops the takedown, so that the other takedowns go on.
        """
        try:
            await self._store.takedowns.keep(counting.state(ended_at))
        except StoreUnavailable as error:
            log.warning("takedowns.not_kept", entry=counting.entry_id, error=str(error))
            return False
        except Exception:
            # For example, a backup without the entry was restored meanwhile. The next attempt would fail, too.
            log.exception("takedowns.dropped", entry=counting.entry_id)
            self._drop(counting)
            return False
        return True

    def _drop(self, counting: Counting) -> None:
        """Forget a takedown that began on this node, and announce that the other nodes are to forget it, too."""
        self._forget(counting)
        self._report(counting, ended=True)

    def _is_active(self, counting: Counting) -> bool:
        return self._active.get(counting.entry_id) is counting

    def _forget(self, counting: Counting) -> None:
        del self._active[counting.entry_id]
        self._confirmations.forget(counting.entry_id)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
