"""A run: rounds of publishing, reading and faults, each with live blogs of its own, and a reckoning at its end."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.faults import faults
from tests.faults.desk import Desk
from tests.faults.ledger import Fate, Ledger, marked
from tests.faults.newsroom import Newsroom
from tests.faults.publishers import Publisher
from tests.faults.reading import Broken
from tests.faults.totals import Totals
from tests.faults.viewers import PAGE, Habits, Viewer
from tests.faults.watch import watch_health, watch_readiness

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.faults.setups import Setup

Message = dict[str, Any]

LIMIT = 2.0
"""Seconds after which every viewer has everything, once nothing is out of order any more."""
ROUND = 45.0
LOOK = 0.02
PUBLISHERS = 4
PACE = 0.15
"""Seconds that an editor thinks, on average."""

VIEWER_SET = [
    *[Habits("websocket", restless=True)] * 4,
    *[Habits("websocket")] * 3,
    *[Habits("websocket", relayed=True, restless=True)] * 3,
    *[Habits("websocket", slow=True)] * 2,
    *[Habits("events", restless=True)] * 3,
    *[Habits("events")] * 2,
    *[Habits("events", relayed=True)] * 3,
    *[Habits("events", slow=True)] * 2,
    *[Habits("changes")] * 2,
]
DESK_VIEWER_SET = [Habits("websocket", restless=True), Habits("events", relayed=True), Habits("changes")]
"""The readers of each live blog of the people at the desk."""


@dataclass
class Run:
    """Rounds on one setup, each drawn from the seed and its number alone."""

    setup: Setup
    seed: int
    only: frozenset[str] | None = None
    """The kinds of faults to choose from; None: all that the setup can have."""
    limit: float = LIMIT
    brief: bool = False
    """Only short faults."""
    totals: Totals = field(init=False)
    story: list[str] = field(default_factory=list)
    """The faults so far, with their victims and times, to be told when something broke."""

    def __post_init__(self) -> None:
        self.totals = Totals(self.setup.name, self.seed)
        self.begun = time.monotonic()

    async def rounds(self, seconds: float, *, first: int = 0) -> None:
        """Go on for so long. Raises Broken."""
        end = time.monotonic() + seconds
        number = first
        while (left := end - time.monotonic()) > 1 or number == first:
            try:
                await self._round(number, min(ROUND, left))
            except* Broken as group:
                broken = _first(group)
                self.totals.violations[broken.kind] += 1
                self._tell(f"BROKEN in round {number}: {broken}")
                broken.add_note("\n".join(self.story[-40:]))
                raise broken from None
            finally:
                self.totals.seconds = time.monotonic() - self.begun
            number += 1
            self.totals.rounds += 1

    async def _round(self, number: int, seconds: float) -> None:
        chance = random.Random(f"{self.seed}-{number}")
        async with AsyncExitStack() as stack:
            desk = Desk(self.setup, random.Random(chance.random()), self.totals)
            stack.push_async_callback(desk.close)
            ledgers = [Ledger(f"r{number}-{name}-{self.seed}") for name in ("main", "side")]
            newsroom = Newsroom(desk, f"r{number}-{self.seed}", random.Random(f"{self.seed}-{number}-newsroom"))
            for ledger in (*ledgers, *newsroom.coverages):
                await self._open(desk, ledger)
            await newsroom.open()
            self._tell(f"round {number}")
            round_ = Round(self, desk, ledgers, newsroom, chance)
            async with asyncio.TaskGroup() as group:
                watching = [group.create_task(watch_health(self.setup, n, self.totals)) for n in self.setup.nodes]
                watching += [group.create_task(watch_readiness(self.setup, n)) for n in self.setup.nodes]
                await round_.run(group, seconds)
                for task in watching:
                    task.cancel()
        for node in self.setup.nodes:
            node.note_defects()
            if node.defects:
                raise Broken("defect", node.defects[0])

    async def _open(self, desk: Desk, ledger: Ledger) -> None:
        liveblog = {"slug": ledger.slug, "title": ledger.slug, "language": "fr", "timezone": "Europe/Paris"}
        headers = {"Authorization": f"Bearer {self.setup.key}"}
        await desk.insist("POST", "/liveblogs", liveblog, headers=headers, allowed=(201, 409))
        ledger.titles = {ledger.slug}

    def _tell(self, what: str) -> None:
        self.story.append(f"{time.monotonic() - self.begun:8.2f} {what}")

    async def harm(self, kind: str, chance: random.Random, seconds: float) -> None:
        """One fault, from its beginning to its healing."""
        self.totals.faults[kind] += 1
        self._tell(f"{kind} …")
        with self.setup.calendar.out_of_order(kind):
            async with faults.kinds(self.setup)[kind](self.setup, chance):
                self._tell(f"{kind}: harmed, for {seconds:.1f} s")
                await asyncio.sleep(seconds)
        self._tell(f"{kind}: healed")

    def deal(self, chance: random.Random) -> Iterator[list[tuple[str, float]]]:
        """For ever: one fault with its duration, or two that harm different things. Every kind has its turn."""
        possible = [kind for kind in faults.kinds(self.setup) if self.only is None or kind in self.only]
        deck: list[str] = []
        while True:
            deck = deck or chance.sample(possible, len(possible))
            drawn = [deck.pop()]
            others = [kind for kind in deck if faults.group(kind) != faults.group(drawn[0])]
            if others and chance.random() < 0.3:
                drawn.append(others[-1])
                deck.remove(others[-1])
            yield [(kind, self._duration(chance)) for kind in drawn]

    def _duration(self, chance: random.Random) -> float:
        """Seconds: moments, seconds, and now and then longer than anything here is patient."""
        if self.brief:
            return chance.uniform(0.1, 1.5)
        low, high = chance.choices([(0.1, 1.5), (1, 7), (15, 30)], [48, 48, 4])[0]
        return chance.uniform(low, high)


class Round:
    """One round's actors."""

    def __init__(self, run: Run, desk: Desk, ledgers: list[Ledger], newsroom: Newsroom, chance: random.Random) -> None:
        self._run = run
        self._desk = desk
        self._newsroom = newsroom
        self._ledgers = [*ledgers, *newsroom.coverages]
        self._chance = chance
        self._faults = run.deal(random.Random(chance.random()))
        main, side = ledgers
        self._publishers = [
            Publisher(name, desk, main if name != "d" else side, random.Random(chance.random()), PACE)
            for name in "abcdefghijkl"[:PUBLISHERS]
        ]
        self._viewers = [
            Viewer(
                f"viewer {number}",
                habits,
                desk,
                side if number % 6 == 5 else main,
                random.Random(chance.random()),
                self._moved,
            )
            for number, habits in enumerate(VIEWER_SET)
        ]
        self._viewers += [
            Viewer(f"viewer of {coverage.slug} ({number})", habits, desk, coverage, random.Random(number), self._moved)
            for coverage in newsroom.coverages
            for number, habits in enumerate(DESK_VIEWER_SET)
        ]

    async def run(self, group: asyncio.TaskGroup, seconds: float) -> None:
        """Everything, from the first viewer to the reckoning."""
        end = time.monotonic() + seconds
        reading = [group.create_task(viewer.run(), name=viewer.name) for viewer in self._viewers]
        writing = [group.create_task(p.run(renames=p.name in "ad"), name=p.name) for p in self._publishers]
        self._newsroom.begin(group)
        await asyncio.sleep(self._chance.uniform(0.3, 1))
        while (left := end - time.monotonic()) > 0:
            await self._episode(group, left)
        for publisher in self._publishers:
            publisher.finishing.set()
        await asyncio.wait(writing)
        await self._newsroom.finish()
        await self._reckon()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        totals = self._run.totals
        for viewer in self._viewers:
            totals.deliveries += viewer.reading.applied
            totals.resets += viewer.reading.resets
            totals.resyncs += viewer.reading.resyncs

    async def _episode(self, group: asyncio.TaskGroup, left: float) -> None:
        drawn = [(kind, min(seconds, max(left, 0.1))) for kind, seconds in next(self._faults)]
        tasks = [
            group.create_task(self._run.harm(kind, random.Random(self._chance.random()), seconds))
            for kind, seconds in drawn
        ]
        await asyncio.gather(*tasks)
        await self._recover([kind for kind, _ in drawn], time.monotonic())
        await asyncio.sleep(self._chance.uniform(0.1, 1))

    async def _recover(self, kinds: list[str], healed: float) -> None:
        """Wait until every viewer has what was acknowledged before the healing. Raises Broken if one hasn't in time."""
        goals = {ledger.slug: ledger.seq for ledger in self._ledgers}
        behind = [(viewer, viewer.ledger) for viewer in self._viewers]
        published = False
        while behind or not published:
            now = time.monotonic()
            if not published and max(ledger.acknowledged_at for ledger in self._ledgers) > healed:
                published = True
                for kind in kinds:
                    self._run.totals.ready[kind].add(now - healed)
            for viewer, ledger in [*behind]:
                since = max(healed, viewer.there_since)
                if viewer.away:
                    behind.remove((viewer, ledger))
                elif viewer.reading.seq >= goals[ledger.slug]:
                    behind.remove((viewer, ledger))
                    for kind in kinds:
                        self._run.totals.recovery[kind].add(now - since)
                elif now - since > self._run.limit:
                    goal = goals[ledger.slug]
                    raise Broken(
                        "late", f"{viewer} is at {viewer.reading.seq} of {goal}, {now - since:.1f} s after {kinds}"
                    )
            if not published and now - healed > self._run.limit + 5:
                raise Broken("refused", f"nothing was published in {now - healed:.1f} s after {kinds}")
            await asyncio.sleep(LOOK)

    def _moved(self, acknowledged_at: float) -> None:
        """A change that was acknowledged then has come to a viewer who waited for it."""
        totals = self._run.totals
        touched = self._run.setup.calendar.touched
        for kind in [kind for kind in totals.faults if touched(kind, acknowledged_at)] or ["none"]:
            totals.delay[kind].add(time.monotonic() - acknowledged_at)

    async def _reckon(self) -> None:
        """All is well again: now everybody must be right, and soon."""
        last_due = max(publisher.last_due for publisher in self._publishers)
        await asyncio.sleep(max(0.0, last_due + 1.0 - time.time()))
        for viewer in self._viewers:
            viewer.calm.set()
        begun = time.monotonic()
        comparisons = [partial(self._compare, ledger) for ledger in self._ledgers]
        for compare in (*comparisons, partial(self._newsroom.check, self._viewers)):
            while True:
                try:
                    await compare()
                    break
                except Broken:
                    since = max(begun, *(viewer.there_since for viewer in self._viewers))
                    if time.monotonic() - since > self._run.limit and not any(v.away for v in self._viewers):
                        raise
                await asyncio.sleep(LOOK)

    async def _compare(self, ledger: Ledger) -> None:
        """Raises Broken unless the store, the editors and all viewers agree."""
        snapshot = await self._desk.insist("GET", f"/liveblogs/{ledger.slug}/snapshot?limit={PAGE}")
        entries = {entry["id"]: entry async for entry in self._entries(ledger, snapshot)}
        ledger.check(snapshot["liveblog"], entries.values(), snapshot["seq"])
        for viewer in self._viewers:
            if viewer.ledger is not ledger:
                continue
            if viewer.reading.seq != snapshot["seq"]:
                raise Broken("lost", f"{viewer} is at {viewer.reading.seq}, the store at {snapshot['seq']}")
            if viewer.reading.entries != entries or viewer.reading.liveblog != snapshot["liveblog"]:
                raise Broken("mixed", f"{viewer} {_difference(viewer.reading.entries, entries)}")
        deleted = [item for item in ledger.items.values() if item.deleted is Fate.YES]
        page = await self._desk.page(f"/live/{ledger.slug}")
        if shown := [item.id for item in deleted if marked(item.mark) in page]:
            raise Broken("undeleted", f"the page still shows {shown}")
        for item in deleted[-5:]:
            await self._desk.insist("GET", f"/liveblogs/{ledger.slug}/entries/{item.id}", allowed=(410,))

    async def _entries(self, ledger: Ledger, snapshot: Message) -> AsyncIterator[Message]:
        for entry in snapshot["entries"]:
            yield entry
        cursor = snapshot["next_cursor"]
        while cursor is not None:
            page = await self._desk.insist("GET", f"/liveblogs/{ledger.slug}/entries?limit={PAGE}&cursor={cursor}")
            for entry in page["items"]:
                yield entry
            cursor = page["next_cursor"]


def _difference(shown: dict[str, Message], stored: dict[str, Message]) -> str:
    if missing := stored.keys() - shown.keys():
        return f"lacks {missing}"
    if surplus := shown.keys() - stored.keys():
        return f"still shows {surplus}"
    for name, entry in stored.items():
        for field_, value in entry.items():
            if shown[name].get(field_) != value:
                return f"has another {field_} of {name}: {shown[name].get(field_)!r} instead of {value!r}"
    return "has another live blog"


def _first(group: BaseExceptionGroup[Broken]) -> Broken:
    for error in group.exceptions:
        return error if isinstance(error, Broken) else _first(error)
    raise AssertionError
