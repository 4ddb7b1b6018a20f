"""Readers: they come and go, stop reading, ask for changes, and keep their position; each is strict (`reading.py`)."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liveserver.client import Step
from liveserver.protocol import close_codes
from tests.faults.reading import Broken, Reading
from tests.faults.setups import HEARTBEAT, LAG_TIMEOUT
from tests.faults.ways import REFUSED, Ended, EventsWay, WebSocketWay

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from liveserver.domain.change import Position
    from tests.faults.desk import Desk
    from tests.faults.ledger import Ledger
    from tests.faults.setups import Node
    from tests.faults.ways import Way

Message = dict[str, Any]

SILENCE = 2.5 * HEARTBEAT
"""Seconds without a message after which a connection is dead (docs/stream.md)."""
NOTICED = 1.0
"""Seconds that the end of a connection may come after what caused it."""
GIVEN_UP = 0.7 * LAG_TIMEOUT
"""Seconds of taking nothing after which a server may have let go of a connection (`TCP_USER_TIMEOUT`), silently."""
PAGE = 100


@dataclass(frozen=True)
class Habits:
    """The habits of a viewer."""

    kind: str
    """`websocket`, `events` or `changes`."""
    relayed: bool = False
    """Comes by a network that can be cut."""
    slow: bool = False
    """Stops reading now and then."""
    restless: bool = False
    """Comes and goes."""


class Viewer:
    """One reader with a live blog."""

    def __init__(
        self,
        name: str,
        habits: Habits,
        desk: Desk,
        ledger: Ledger,
        chance: random.Random,
        moved: Callable[[float], None],
    ) -> None:
        self.name = name
        self.reading = Reading(returning=ledger.returning)
        self.calm = asyncio.Event()
        """From now on it stays, and reads."""
        self.away = True
        """Not there, or not reading, by its own choice."""
        self.there_since = time.monotonic()
        """Since when it is there and has no reason to be behind."""
        self._habits = habits
        self._desk = desk
        self.ledger = ledger
        self._chance = chance
        self._moved = moved
        self._path = f"/api/v1/liveblogs/{ledger.slug}"
        self._api_path = f"/liveblogs/{ledger.slug}"
        self._connected_at = 0.0
        self._heard = False
        self._back_at = 0.0
        """When a server that is going away wants it back."""
        self._stalled_at = -1e9

    def __str__(self) -> str:
        return f"{self.name} ({self._habits.kind})"

    async def run(self) -> None:
        """Follow for ever."""
        if self._habits.kind == "changes" or self._chance.random() < 0.7:
            await self._start_afresh()
        self._is_there()
        while True:
            if self._habits.kind == "changes":
                await self._ask_changes()
                await asyncio.sleep(self._chance.uniform(0.05, 0.3))
            else:
                await self._follow_once()

    def _is_there(self) -> None:
        self.away = False
        self.there_since = time.monotonic()

    async def _follow_once(self) -> None:
        """One connection from its beginning to its end."""
        node = self._desk.node()
        begun = time.monotonic()
        try:
            way = await self._open(node)
        except Ended as end:
            self._explain(node, begun, end.code, opened=False)
            await asyncio.sleep(self._chance.uniform(0.05, 0.4))
            return
        self._desk.totals.connections += 1
        self._connected_at = time.monotonic()
        self._heard = False
        self._back_at = 0.0
        pause: float | None = None
        try:
            pause = await self._read(way)
        except Ended as end:
            pause = self._sent_away(end) if self._back_at else None
            if pause is None:
                self._explain(node, begun, end.code, opened=True)
                pause = self._chance.uniform(0.02, 0.3)
        finally:
            way.abort()
        await asyncio.sleep(pause)
        if self.away:
            self._is_there()

    async def _open(self, node: Node) -> Way:
        port = node.way.port if self._habits.relayed else node.port
        after = self.reading.connect()
        if self._habits.kind == "websocket":
            deflate = not self._habits.slow and self._chance.random() < 0.5
            return await WebSocketWay.open(port, self._path, after, deflate=deflate)
        return await EventsWay.open(port, self._path, after, header=self._chance.random() < 0.5)

    async def _read(self, way: Way) -> float:
        """Read until it wants to go, or is sent away; returns for how many seconds."""
        loop = asyncio.get_running_loop()
        leaves_at = loop.time() + (self._chance.expovariate(1 / 6) if self._habits.restless else 1e9)
        stalls_at = loop.time() + (self._chance.expovariate(1 / 5) if self._habits.slow else 1e9)
        while True:
            if not self.calm.is_set() and loop.time() > leaves_at:
                return await self._leave(way)
            if not self.calm.is_set() and loop.time() > stalls_at:
                await self._stall()
                stalls_at = loop.time() + self._chance.expovariate(1 / 5)
            try:
                async with asyncio.timeout(SILENCE):
                    message = await way.receive()
            except TimeoutError:
                raise Ended(0) from None
            self._heard = True
            if message["type"] == "reconnect":
                self._back_at = time.monotonic() + message["after_ms"] / 1000
            await self._take(message)

    def _sent_away(self, end: Ended) -> float:
        """It was told to come back, and until then it is served: for how many seconds it stays away."""
        left = max(0.0, self._back_at - time.monotonic())
        # Its time counts from when it was told, which one that reads late doesn't know.
        prompt = not (self._habits.slow or self._habits.relayed)
        if end.code == close_codes.CLOSE_RESTART and prompt and left > NOTICED:
            raise Broken("dropped", f"{self} was closed {left:.1f} s before the moment that it was given")
        self._count_end("asked to come back")
        self.away = True
        return left

    async def _leave(self, way: Way) -> float:
        self._count_end("left")
        self.away = True
        if self._chance.random() < 0.5:
            await way.close()
        if self._chance.random() < 0.1:
            self.reading.forget()
        return self._chance.choice([0.0, self._chance.uniform(0, 1), self._chance.uniform(0, 5)])

    async def _stall(self) -> None:
        """Read nothing for a while."""
        self.away = True
        begun = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0.5, 9)):
                await self.calm.wait()
        self._stalled_at = time.monotonic()
        self._is_there()
        stalled = self._stalled_at - begun
        # TCP tries again at growing intervals, up to as long as it has tried; and if the server's kernel has given the
        # connection up, without a word, the viewer has to notice by itself.
        self.there_since += SILENCE if stalled > GIVEN_UP else stalled

    async def _take(self, message: Message) -> None:
        position = self.reading.position
        step, before = self.reading.take(message), None
        # A node that hasn't heard of the latest yet may give less; whatever is missing then shows again.
        while step is Step.RESYNC and self.reading.position != before:
            before = self.reading.position
            self.reading.resyncs += 1
            await self._ask_changes()
            step = self.reading.step(message)
        if step is Step.RESET:
            await self._start_afresh()
        if position is not None and step is Step.APPLY:
            acknowledged_at = self.ledger.acknowledged.get(message["seq"])
            if acknowledged_at is not None and acknowledged_at > max(self._connected_at, self.there_since):
                self._moved(acknowledged_at)

    async def _start_afresh(self) -> None:
        """A snapshot, and all pages after it."""
        if self.reading.position is not None:
            self.reading.resets += 1
        snapshot = await self._desk.insist("GET", f"{self._api_path}/snapshot?limit={PAGE}")
        older: list[Message] = []
        cursor = snapshot["next_cursor"]
        while cursor is not None:
            page = await self._desk.insist("GET", f"{self._api_path}/entries?limit={PAGE}&cursor={cursor}")
            older += page["items"]
            cursor = page["next_cursor"]
        self.reading.take_snapshot(snapshot, older)

    async def _ask_changes(self) -> None:
        while True:
            after: Position | None = self.reading.position
            assert after is not None
            limit = self._chance.choice([5, 100])
            answer = await self._desk.insist("GET", f"{self._api_path}/changes?after={after}&limit={limit}")
            if not self.reading.take_changes(after, answer):
                await self._start_afresh()
                return
            if not answer["more"]:
                return

    def _explain(self, node: Node, begun: float, code: int | None, *, opened: bool) -> None:
        """Every end of a connection needs a reason; raises Broken for one without."""
        reason = self._reason(node, begun, code, opened=opened)
        begun_well = opened and self._heard
        self._count_end("unexplained" if reason is None else reason if begun_well else "not begun")
        if reason is None:
            state = "followed" if opened else "opening"
            raise Broken("dropped", f"{self}, {state} {node.name}, was cut off with {code}, without a reason")

    def _reason(self, node: Node, begun: float, code: int | None, *, opened: bool) -> str | None:
        now = time.monotonic()
        touched = self._desk.setup.calendar.touched
        since = now - (SILENCE if code == 0 else 0.0) - NOTICED
        if not opened:
            since = min(since, begun - NOTICED)
        if code == close_codes.CLOSE_NO_SUCH_LIVEBLOG:
            return None
        refused = code in {close_codes.CLOSE_TRY_AGAIN, REFUSED}
        # The beginning of a viewer may have to be read; an event stream that can't begin just ends.
        if (refused or (opened and not self._heard)) and self._desk.may_refuse(node, begun):
            return "store away"
        if refused:
            return None
        if touched(node.name, since):
            return "node fault"
        if self._habits.relayed and touched(f"way to {node.name}", since):
            return "network fault"
        if self._habits.slow and self._stalled_at > begun:
            let_go = code in {None, close_codes.CLOSE_TOO_SLOW, close_codes.CLOSE_NO_PONG}
            unheard = code == 0 and now - self._stalled_at < SILENCE + NOTICED
            return "slow" if let_go or unheard else None
        return None

    def _count_end(self, reason: str) -> None:
        self._desk.totals.ends[reason] += 1
