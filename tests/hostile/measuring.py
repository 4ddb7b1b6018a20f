"""Readers and an editor, attackers beside them, and what the readers and the editor notice of those."""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from liveserver.cli.bench import machine_limits
from liveserver.cli.bench.measuring.histogram import Measurements
from liveserver.cli.bench.measuring.meter import Meter
from liveserver.cli.bench.publisher import Publisher
from liveserver.cli.bench.viewers.handshake import Opening, Transport
from liveserver.cli.bench.viewers.worker import Connect, Finish, Orders, Stop, Worker
from liveserver.client import Client, ClientError
from tests.acceptance.serving import eventually
from tests.hostile import enemy, probe
from tests.hostile.attacks import ATTACKS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from multiprocessing.connection import Connection

    from liveserver.cli.bench.viewers.messages import Mark
    from liveserver.cli.bench.viewers.worker import Report
    from tests.hostile.probe import Answers
    from tests.hostile.setups import Setup

HEALTH_MAX = 0.25
"""Seconds that an answer of `/healthz` may take."""
PAGE_MAX = 1.0
"""The same of a page that nobody has asked for yet."""
LATE_MAX = 1.0
"""Seconds after the answer to a publish within which every viewer has the entry."""
MEMORY_MAX = 100_000_000
"""Bytes by which the server's processes may grow."""

RATE = 5.0
"""Entries a second."""
SIZE = 1_000
"""Bytes of an entry's text."""
BEFORE = 2.0
"""Seconds of publishing before the attack: what the server needs for its readers alone it has then."""
AFTER = 2.0
"""Seconds of publishing after it."""
PATIENCE = 60.0
"""Seconds in which all viewers must be connected, or must have everything at the end."""
PER_SOURCE = 5
"""Viewers from one address: what limits an address must not hit them."""
CREWS = 2
"""Processes of attackers."""


@dataclass
class Row:
    """The measurements of one attack. Times are in seconds, memory in bytes."""

    attack: str
    healthz_worst: float = 0.0
    healthz_asked: int = 0
    healthz_failed: list[str] = field(default_factory=list)
    """The errors that came instead of an answer."""
    page_worst: float = 0.0
    page_asked: int = 0
    page_failed: list[str] = field(default_factory=list)
    """The same of pages that nobody has asked for yet, asked for by one address that asks for nothing else."""
    viewers: int = 0
    unconnected: int = 0
    cut: int = 0
    """Viewers that were cut off, and came back."""
    published: int = 0
    unpublished: dict[str, int] = field(default_factory=dict)
    """Publishes that were refused, by what was said."""
    answer_worst: float = 0.0
    """Of a publish."""
    deliveries: int = 0
    lost: int = 0
    doubled: int = 0
    latest: float = 0.0
    """After the publish's answer."""
    memory: int = 0
    """Growth since the attack began, at its highest."""
    own_lateness: float = 0.0
    """How late these measurements were for appointments of their own: all times may be wrong by so much."""
    defects: list[str] = field(default_factory=list)
    enemies: dict[str, dict[str, int]] = field(default_factory=dict)
    """The outcomes of each attack."""

    @property
    def broken(self) -> list[str]:
        """The promises that don't need a clock and weren't kept."""
        told = {
            "a /healthz was not answered": self.healthz_failed,
            "a page was not answered": self.page_failed,
            "viewers could not connect": self.unconnected,
            "viewers were cut off": self.cut,
            "publishes were refused": self.unpublished,
            "deliveries were lost": self.lost,
            "deliveries came twice": self.doubled,
            "deliveries are missing": self.viewers * self.published - self.deliveries,
            "memory grew too much": self.memory > MEMORY_MAX and self.memory,
            "defects were logged": self.defects[:1],
        }
        return [f"{what}: {value}" for what, value in told.items() if value]

    @property
    def late(self) -> list[str]:
        """Those that need one."""
        return [
            f"{what}: {value * 1000:,.0f} ms"
            for what, value, most in (
                ("a /healthz took too long", self.healthz_worst, HEALTH_MAX),
                ("a page took too long", self.page_worst, PAGE_MAX),
                ("a delivery came too late", self.latest, LATE_MAX),
            )
            if value > most
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything."""
        return {**asdict(self), "broken": self.broken, "late": self.late}


class Readers(Worker):
    """Viewers of one kind, who note when the last of them had each entry."""

    def __init__(self, orders: Orders, arrivals: dict[int, float]) -> None:
        super().__init__(orders, self._hear)
        self.last: Report | None = None
        self._arrivals = arrivals
        self._run = orders.run

    def arrived(self, mark: Mark | None) -> None:
        super().arrived(mark)
        if mark is not None and mark.run == self._run:
            self._arrivals[mark.number] = time.monotonic()

    def _hear(self, report: Report) -> None:
        self.last = report


class Audience:
    """Viewers of all kinds, in this process: a third each by WebSocket, by deflated WebSocket, by SSE."""

    def __init__(self, setup: Setup, viewers: int, run: str) -> None:
        self.arrivals: dict[int, float] = {}
        """When the last viewer had each entry, by its number."""
        self.viewers = viewers
        # The numbers make the addresses: see `limits.source_of`.
        step = machine_limits.PER_SOURCE // PER_SOURCE
        kinds = [(Transport.WS, False), (Transport.WS, True), (Transport.SSE, False)]
        self._workers = []
        for number, (transport, deflate) in enumerate(kinds):
            path = f"{setup.ground.api}/{'ws' if transport is Transport.WS else 'events'}"
            orders = Orders(
                opening=Opening(transport, f"127.0.0.1:{setup.port}", path, deflate=deflate),
                greeted=True,
                address=("127.0.0.1", setup.port),
                tls_name=None,
                many_sources=True,
                viewers=range(number * step, viewers * step, len(kinds) * step),
                of=viewers * step,
                handshakes=16,
                run=run,
                origin=time.monotonic(),
            )
            self._workers.append(Readers(orders, self.arrivals))

    @property
    def measurements(self) -> Measurements:
        """The measurements of all of them, added up."""
        total = Measurements()
        for worker in self._workers:
            total.merge(worker.measurements)
        return total

    @property
    def missing(self) -> int:
        """Deliveries that never came: known once it is over."""
        return sum(worker.last.measurements.lost for worker in self._workers if worker.last is not None)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """While the block runs."""
        tasks = [asyncio.ensure_future(worker.run()) for worker in self._workers]
        try:
            for worker in self._workers:
                worker.order(Connect(time.monotonic(), self.viewers / 200))
            await self._until(lambda: self.measurements.following + self.measurements.failed >= self.viewers)
            yield
        finally:
            for worker in self._workers:
                worker.order(Stop())
            await asyncio.gather(*tasks)

    async def caught_up(self, seq: int) -> None:
        """Return once all of them have that change, or none of those that lack it will get it."""

        def complete() -> bool:
            for worker in self._workers:
                worker.order(Finish(seq))
            return not sum(worker.measurements.behind for worker in self._workers)

        await self._until(complete)

    async def _until(self, check: Callable[[], bool]) -> None:
        with suppress(AssertionError):
            await eventually(check, seconds=PATIENCE)


class Editor:
    """Publishes at a steady rate, however long the answers take."""

    def __init__(self, newsroom: Publisher) -> None:
        self.answers: dict[int, float] = {}
        """When each publish was answered, by the entry's number."""
        self.refused: Counter[str] = Counter()
        self.slowest = 0.0
        """Seconds that an answer took at most."""
        self.seq = -1
        self._newsroom = newsroom

    @asynccontextmanager
    async def publisher(self) -> AsyncIterator[None]:
        """While the block runs."""
        over = asyncio.Event()
        task = asyncio.create_task(self._publish(over))
        try:
            yield
        finally:
            over.set()
            await task

    async def _publish(self, over: asyncio.Event) -> None:
        number, begun = 0, time.monotonic()
        async with asyncio.TaskGroup() as group:
            while not over.is_set():
                group.create_task(self._publish_one(number))
                number += 1
                await asyncio.sleep(max(begun + number / RATE - time.monotonic(), 0))

    async def _publish_one(self, number: int) -> None:
        begun = time.monotonic()
        try:
            seq = await self._newsroom.publish(number)
        except ClientError as error:
            self.refused[" ".join(str(error).split())] += 1
            return
        self.answers[number] = time.monotonic()
        self.slowest = max(self.slowest, self.answers[number] - begun)
        self.seq = max(self.seq, seq)


@asynccontextmanager
async def helper(target: Callable[..., None], *args: object) -> AsyncIterator[Callable[[], Any]]:
    """A process of ours that works while the block runs. The yielded function ends it and returns its account."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(*args, theirs), daemon=True)
    process.start()
    theirs.close()
    connection: Connection = ours

    def end() -> Any:
        connection.send(None)
        # The attacker has yielded the processor.
        return connection.recv() if connection.poll(PATIENCE) else None

    try:
        assert await asyncio.to_thread(connection.poll, PATIENCE), "a process of the harness doesn't start"
        connection.recv()
        yield end
    finally:
        connection.close()
        await asyncio.to_thread(process.join, 5)
        if process.is_alive():
            process.kill()
            process.join()


async def measure(setup: Setup, attacks: Sequence[str], *, name: str, seconds: float, viewers: int) -> Row:
    """Let the attacks loose, all at once, for so many seconds."""
    run = secrets.token_hex(4)
    row = Row(name, viewers=viewers)
    audience = Audience(setup, viewers, run)
    chosen = [(number, attack) for number, (key, attack) in enumerate(ATTACKS.items()) if key in attacks]
    keys = [key for key in ATTACKS if key in attacks]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(setup.url, setup.key))
        editor = Editor(Publisher(client, setup.ground.slug, run=run, size=SIZE))
        await stack.enter_async_context(audience.following())
        end_probe = await stack.enter_async_context(helper(probe.main, setup.port, f"/live/{setup.ground.slug}?tag="))
        async with editor.publisher():
            await asyncio.sleep(BEFORE)
            meter = Meter([node.pid for node in setup.nodes])
            memory = await asyncio.to_thread(meter.memory)
            ends = [
                await stack.enter_async_context(helper(enemy.main, setup.ground, chosen[crew::CREWS]))
                for crew in range(CREWS)
                if chosen[crew::CREWS]
            ]
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                await asyncio.sleep(0.5)
                row.memory = max(row.memory, await asyncio.to_thread(meter.memory) - memory)
            told = await asyncio.gather(*(asyncio.to_thread(end) for end in ends))
            await asyncio.sleep(AFTER)
        await audience.caught_up(editor.seq)
        found_by_probe: tuple[Answers, Answers] = await asyncio.to_thread(end_probe)
        answers, pages = found_by_probe
        for crew, found in enumerate(told):
            row.enemies |= dict(zip(keys[crew::CREWS], (dict(done) for done in found or []), strict=False))
    measurements = audience.measurements
    row.healthz_worst, row.healthz_asked = answers.times.max, answers.times.count
    row.healthz_failed = answers.failures
    row.page_worst, row.page_asked, row.page_failed = pages.times.max, pages.times.count, pages.failures
    row.unconnected = viewers - measurements.opened
    row.cut = measurements.reconnects
    row.published, row.unpublished = len(editor.answers), dict(editor.refused)
    row.answer_worst = editor.slowest
    row.deliveries, row.doubled, row.lost = measurements.delivered, measurements.duplicated, audience.missing
    # Deliveries before the answer aren't late at all.
    late = [audience.arrivals.get(number, at) - at for number, at in editor.answers.items()]
    row.latest = max(0.0, *late) if late else 0.0
    row.own_lateness = measurements.lateness.max
    row.defects = setup.defects
    return row
