"""Takedown with proof: which viewers have confirmed that a deleted entry is gone from their pages.

The delete message asks for it (`confirm`), and each viewer answers once, at a random moment: on its WebSocket, or by a
POST. Every node counts its own viewers (`newsroom/takedown_counter.py`) and tells the others its totals again and
again, as it does with viewers (`realtime/upkeep/presence.py`): messages for each node and interval, however many
viewers there are. The node that deleted the entry ends the counting, and keeps the totals in the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from liveserver.domain.audience import ConfirmationCounts, Takedown
from liveserver.domain.errors import StoreUnavailable
from liveserver.domain.ids import now
from liveserver.newsroom.takedown_counter import TakedownCounter, total, waiting
from liveserver.protocol import encoding

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.realtime.bus import Bus
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.pending_confirmations import PendingConfirmations
    from liveserver.realtime.viewer import Viewer
    from liveserver.store import Store

WITHIN_MS = 5_000
"""Milliseconds within which viewers answer."""
VIEWERS_PER_MS = 2
"""With more viewers than that makes, they get longer: so many answers a second are no burden."""
WITHIN_MAX_MS = 20_000

INTERVAL = 0.5
"""Seconds between a node's reports of its counts."""
MIN_EXTRA_SECONDS = 15.0
"""Counting goes on for so long after the time to answer, though nobody is waited for: some readers poll."""
MAX_SECONDS = 60.0
"""Counting ends after so long, whatever viewers are still waited for."""
GRACE_SECONDS = 60.0
"""The store may take so long to keep the totals. A node that reports nothing more is believed for as long."""
ACTIVE_MAX = 16
"""Takedowns counted at a time: the oldest ends when there are more, so that memory is bounded."""
POSTS_MAX = 1_000
"""Answers for another node in one message; what is beyond waits for the next."""
ASKED_SECONDS = MAX_SECONDS + GRACE_SECONDS
"""For how long a viewer may answer; a page in the background may do so a minute late, and all it was asked at once."""
ASKED_MAX = 1_000
"""Answers that a viewer may owe: more deletions than that within `ASKED_SECONDS` aren't made by hand."""
PENDING_MAX = 20_000
"""Answers that wait for that; others are lost, and their viewers waited for in vain."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Counting:
    """A takedown under way."""

    slug: str
    entry_id: str
    seq: int
    at: datetime
    within: int
    """Milliseconds."""
    ours: bool
    """Whether this node deleted the entry."""
    since: float
    """On the loop's clock."""
    counter: TakedownCounter
    elsewhere: dict[str, dict[str, ConfirmationCounts]] = field(default_factory=dict)
    """What the other nodes have counted, by node and partner."""
    pending: list[tuple[str, bool]] = field(default_factory=list)
    """Answers that came here for viewers of other nodes: the reply id, and whether the entry had been shown."""

    def state(self, ended_at: datetime | None = None) -> Takedown:
        """The takedown as it stands on all nodes, as they last reported."""
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
        """`confirmations` are those that this asks for, and forgets."""
        self._store = store
        self._hub = hub
        self._bus = bus
        self._confirmations = confirmations
        self._clock = clock
        self._active: dict[str, Counting] = {}
        self._asked: dict[str, deque[float]] = {}
        """By live blog: for each answer that its viewers were asked for, until when it may come, ascending."""
        self._task: asyncio.Task[None] | None = None

    def begin(self, slug: str, entry_id: str, seq: int) -> Takedown:
        """Ask all connected viewers. To be called when the deletion is committed, before its message is made."""
        everyone = self._hub.count_everywhere(slug)
        within = min(WITHIN_MAX_MS, max(WITHIN_MS, everyone // VIEWERS_PER_MS))
        counting = self._begin(slug, entry_id, seq, self._clock(), within, ours=True)
        self._report(counting)
        return counting.state()

    async def find(self, slug: str, entry_id: str) -> Takedown:
        """The takedown as it stands. Raises NotFound and StoreUnavailable."""
        counting = self._active.get(entry_id)
        if counting is not None and counting.slug == slug:
            return counting.state()
        return await self._store.takedowns.find(slug, entry_id)

    def posted(self, slug: str, entry_id: str, reply_id: str, *, had: bool, partner: str = "") -> None:
        """An answer that came by itself, from a page of the partner's."""
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
        """A viewer was registered: it counts once it answers."""

    def left(self, slug: str, viewer: Viewer, /) -> None:
        """A viewer has left."""
        for counting in self._active.values():
            if counting.slug == slug:
                counting.counter.left(viewer)

    def said(self, slug: str, viewer: Viewer, message: bytes, /) -> None:
        """A viewer sent something: perhaps its answer."""
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
        """How many answers each viewer of the live blog was asked for, of late."""
        asked = self._asked.get(slug)
        if asked is None:
            return 0
        while asked and asked[0] <= self._now():
            asked.popleft()
        if not asked:
            del self._asked[slug]
        return len(asked)

    def announced(self, message: bytes, /) -> None:
        """A node reports what it has counted, or hands on answers."""
        try:
            content: Any = orjson.loads(message)
        except orjson.JSONDecodeError:
            return
        match content:
            case {"takedown": {"id": str(entry_id)} as report, "node": str(node)} if node != self._hub.node:
                try:
                    self._take_report(entry_id, node, report)
                except (KeyError, TypeError, ValueError, AttributeError):
                    # A newer version may say it differently.
                    log.warning("takedowns.unreadable", node=node)

    async def close(self) -> None:
        """End: keep what was counted by now."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for counting in list(self._active.values()):
            if counting.ours:
                await self._keep(counting, self._clock())
        self._active.clear()

    def _begin(self, slug: str, entry_id: str, seq: int, at: datetime, within: int, *, ours: bool) -> Counting:
        if sum(not counting.counter.closed for counting in self._active.values()) >= ACTIVE_MAX:
            # It ends at the next turn, which may be after many more have begun: nothing of size is kept until then.
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
        return counting

    def _ask(self, slug: str) -> None:
        """Note that each viewer is to answer once more.

        They expire one after the other, a second apart: what a viewer was allowed to say at once takes up its time
        (`realtime/transport/viewer_budget.py`), and must not count against it when all that it was asked for is
        forgotten.
        """
        for known in list(self._asked):
            # Those that have expired are forgotten.
            self.asked(known)
        asked = self._asked.setdefault(slug, deque(maxlen=ASKED_MAX))
        last = asked[-1] + 1 if asked else 0.0
        asked.append(max(last, self._now() + ASKED_SECONDS))

    def _take_report(self, entry_id: str, node: str, report: dict[str, Any]) -> None:
        counting = self._active.get(entry_id)
        if report["ended"]:
            if counting is not None and not counting.ours:
                self._forget(counting)
            return
        by_partner = {partner: ConfirmationCounts(*counts) for partner, counts in report["counts"].items()}
        if counting is None:
            if not report["ours"]:
                # The node that deleted it reports when it has ended; others may not know that yet.
                return
            at = datetime.fromisoformat(report["at"])
            counting = self._begin(report["slug"], entry_id, report["seq"], at, report["within"], ours=False)
        counting.elsewhere[node] = by_partner
        for reply_id, had in report["posted"]:
            if str(reply_id).startswith(f"{self._hub.node}."):
                counting.counter.posted(str(reply_id), had=bool(had))

    def _report(self, counting: Counting, *, ended: bool = False) -> None:
        """Report what this node has counted, changed or not: a message may have been lost."""
        counts = {partner: astuple(counts) for partner, counts in counting.counter.by_partner.items()}
        posted, counting.pending = counting.pending[:POSTS_MAX], counting.pending[POSTS_MAX:]
        report = {
            "id": counting.entry_id,
            "slug": counting.slug,
            "seq": counting.seq,
            "at": encoding.timestamp(counting.at),
            "within": counting.within,
            "ours": counting.ours,
            "counts": counts,
            "posted": posted,
            "ended": ended,
        }
        self._bus.announce(encoding.dumps({"node": self._hub.node, "takedown": report}))

    async def _run(self) -> None:
        """Report to the other nodes, and end takedowns in their time, while there are any."""
        for counting in list(self._active.values()):
            if counting.ours:
                await self._keep(counting, None)
        while self._active:
            for counting in list(self._active.values()):
                self._report(counting)
                age = self._now() - counting.since
                if counting.ours:
                    minimum = counting.within / 1000 + MIN_EXTRA_SECONDS
                    if age >= MAX_SECONDS or (age >= minimum and not waiting(counting.state().by_partner)):
                        await self._end(counting, age)
                elif age >= MAX_SECONDS + GRACE_SECONDS:
                    self._forget(counting)
            await asyncio.sleep(INTERVAL)

    async def _end(self, counting: Counting, age: float) -> None:
        if await self._keep(counting, self._clock()) or age >= MAX_SECONDS + GRACE_SECONDS:
            self._forget(counting)
            self._report(counting, ended=True)

    async def _keep(self, counting: Counting, ended_at: datetime | None) -> bool:
        """Have the store keep the counts. False: it is away, and is to be tried again."""
        try:
            await self._store.takedowns.keep(counting.state(ended_at))
        except StoreUnavailable as error:
            log.warning("takedowns.not_kept", entry=counting.entry_id, error=str(error))
            return False
        return True

    def _forget(self, counting: Counting) -> None:
        del self._active[counting.entry_id]
        self._confirmations.forget(counting.entry_id)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
