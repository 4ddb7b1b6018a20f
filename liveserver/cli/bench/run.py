"""A run of a benchmark, from the first connection to the result."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from liveserver.cli.bench.machine_limits import has_many_sources
from liveserver.cli.bench.measuring.histogram import Measurements, Second
from liveserver.cli.bench.measuring.result import Result, Usage
from liveserver.cli.bench.plan import shares
from liveserver.cli.bench.viewers.worker import HANDSHAKES, Orders
from liveserver.cli.bench.viewers.worker_pool import WorkerPool
from liveserver.domain.errors import LiveserverError

if TYPE_CHECKING:
    from collections.abc import Callable

    from liveserver.cli.bench.measuring.meter import Meter
    from liveserver.cli.bench.plan import Plan
    from liveserver.cli.bench.target import Target
    from liveserver.cli.bench.viewers.handshake import Opening

SETTLE_SECONDS = 2.0
"""Seconds from the moment when all viewers are connected to the first entry. In that time, the server finishes the work
that new connections cause."""
PATIENCE = 10.0
"""The number of seconds without a delivery after which a run stops waiting for the last changes. The changes that are
still missing then count as lost."""
CONNECT_SECONDS = 120.0
"""The greatest number of seconds that a run waits for viewers to connect, counted from the end of the plan's ramp. Then
the run goes on without the viewers that aren't connected."""
PUBLISHING = 32
"""The greatest number of publish requests that run at the same time."""


class Stage(StrEnum):
    """The stage of a run."""

    STARTING = "starting"
    CONNECTING = "connecting"
    SETTLING = "settling"
    PUBLISHING = "publishing"
    WATCHING = "watching"
    DRAINING = "draining"
    LEAVING = "leaving"


class Source(Protocol):
    """A publisher of the run's entries. Viewers get each entry as a change."""

    async def publish(self, number: int, /) -> int:
        """Publish the entry with this number now, and return its seq. The entry's text has a mark with the present
        time.

        Raises LiveserverError if publishing fails.
        """


class Present(Protocol):
    """A function that asks the server for the seq of the live blog's last change."""

    async def __call__(self) -> int:
        """Return the seq of the live blog's last change. Raises LiveserverError if the request fails."""


@dataclass
class Moment:
    """The state of a run at one moment, for a progress display."""

    stage: Stage
    elapsed: float
    """Seconds since the run's beginning."""
    measurements: Measurements
    published: int
    """How many entries have been published so far."""
    recent: Second
    """The counts of the last full second: deliveries, latencies, and viewers that follow."""


class Run:
    """A run: it connects the viewers, publishes entries, waits until the viewers have got the entries, and counts the
    deliveries.

    `run`: the run's id. `source`: publishes the entries; if None, the run only watches. `present`: asks for the seq of
    the live blog's last change; if None, the run's last entry counts as the last change. `meter`: measures the
    server's processes; if None, the server isn't measured. `greeted`: True if the server sends `hello`, as liveserver
    does. `show`: called several times a second to show the run's progress.
    """

    def __init__(
        self,
        plan: Plan,
        target: Target,
        opening: Opening,
        *,
        run: str,
        slug: str = "",
        source: Source | None = None,
        present: Present | None = None,
        meter: Meter | None = None,
        greeted: bool = True,
        show: Callable[[Moment], None] = lambda moment: None,
    ) -> None:
        self.stop = asyncio.Event()
        """An event that ends the run early. The caller may set it."""
        self._plan = plan
        self._target = target
        self._opening = opening
        self._run = run
        self._source = source
        self._present = present
        self._meter = meter
        self._greeted = greeted
        self._show = show
        self._stage = Stage.STARTING
        self._origin = time.monotonic()
        self._final = -1
        self._result = Result(plan, target.url, slug, datetime.now(UTC))

    async def __call__(self) -> Result:
        """Run the benchmark, and return its result.

        Raises Refused if the limits of this machine are too low for the plan's viewers, if a process with viewers dies,
        or if the meter can't read a process of the server.
        """
        result = self._result
        async with WorkerPool(self._orders()) as pool:
            showing = asyncio.create_task(self._report(pool))
            try:
                await self._measure(pool)
            finally:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)
            self._stage = Stage.LEAVING
            await pool.stop()
            result.measurements = pool.measurements
            result.seconds = pool.seconds()
        result.expected = result.measurements.delivered + result.measurements.lost + result.measurements.superseded
        return result

    def _orders(self) -> list[Orders]:
        plan, target = self._plan, self._target
        ranges = shares(plan, target.address[0])
        return [
            Orders(
                opening=self._opening,
                greeted=self._greeted,
                address=target.address,
                tls_name=target.tls_name,
                many_sources=has_many_sources(target.address[0]),
                viewers=numbers,
                of=plan.viewers,
                handshakes=max(HANDSHAKES // len(ranges), 1),
                run=self._run,
                origin=self._origin,
            )
            for numbers in ranges
        ]

    async def _measure(self, pool: WorkerPool) -> None:
        plan, result, meter = self._plan, self._result, self._meter
        cpu = meter.cpu() if meter else 0.0
        memory = meter.memory() if meter else 0
        self._stage = Stage.CONNECTING
        start = time.monotonic()
        pool.connect(start, plan.ramp)
        await self._until(pool, lambda: pool.settled, plan.ramp + CONNECT_SECONDS)
        connecting = pool.measurements
        result.connect_seconds = max(connecting.opened_at - start, 0.0)
        connect_cpu = meter.cpu() - cpu if meter else 0.0
        if self.stop.is_set() or not connecting.opened:
            result.interrupted = self.stop.is_set()
            return
        self._stage = Stage.SETTLING
        await self._pause(SETTLE_SECONDS)
        memory = meter.memory() - memory if meter else 0
        cpu = meter.cpu() if meter else 0.0
        cpu_before = pool.cpu
        before = pool.measurements
        start = time.monotonic()
        if self._source is not None and plan.rate:
            self._stage = Stage.PUBLISHING
            await self._publish(self._source)
        else:
            self._stage = Stage.WATCHING
            await self._pause(plan.duration)
        result.interrupted = self.stop.is_set()
        self._stage = Stage.DRAINING
        await self._drain(pool)
        after = pool.measurements
        result.received = after.received - before.received
        result.deliver_seconds = max(after.arrived_at - start, 0.0)
        elapsed = time.monotonic() - start
        result.busiest = max((later - earlier) / elapsed for later, earlier in zip(pool.cpu, cpu_before, strict=True))
        if meter is not None:
            delivered = after.delivered - before.delivered
            result.usage = Usage(
                meter.pids,
                connect_cpu / connecting.tries * 1e6,
                (meter.cpu() - cpu) / delivered * 1e6 if delivered else None,
                memory / max(connecting.following, 1),
            )

    async def _publish(self, source: Source) -> None:
        """Publish the entries at the plan's rate, and wait for the answers to all requests.

        A slow answer doesn't delay the next entry, unless `PUBLISHING` requests wait for answers.
        """
        start = time.monotonic()
        free = asyncio.Semaphore(PUBLISHING)
        async with asyncio.TaskGroup() as group:
            for number in range(self._plan.entries):
                await self._pause(start + number / self._plan.rate - time.monotonic())
                await free.acquire()
                if self.stop.is_set():
                    break
                group.create_task(self._publish_one(source, number, free))

    async def _publish_one(self, source: Source, number: int, free: asyncio.Semaphore) -> None:
        result = self._result
        sent = time.monotonic()
        try:
            seq = await source.publish(number)
        except LiveserverError as error:
            result.publish_errors[" ".join(str(error).split())] += 1
        else:
            result.published += 1
            result.publishes[int(sent - self._origin)] += 1
            result.answers.add(time.monotonic() - sent)
            self._final = max(self._final, seq)
        finally:
            free.release()

    async def _drain(self, pool: WorkerPool) -> None:
        """Wait until every viewer has got the live blog's last change.

        Stop waiting after PATIENCE seconds without a delivery. If it isn't known which change is the last, don't wait.
        """
        if self._present is not None:
            try:
                self._final = max(self._final, await self._present())
            except LiveserverError as error:
                self._result.publish_errors[" ".join(str(error).split())] += 1
        if self._final < 0:
            return
        pool.finish(self._final)
        while True:
            delivered = pool.measurements.delivered
            if await pool.until(lambda: pool.final == self._final and not pool.measurements.behind, PATIENCE):
                return
            if pool.measurements.delivered == delivered:
                return

    async def _until(self, pool: WorkerPool, condition: Callable[[], bool], seconds: float) -> None:
        await pool.until(lambda: condition() or self.stop.is_set(), seconds)

    async def _pause(self, seconds: float) -> None:
        """Sleep for a number of seconds, or until `stop` is set."""
        if seconds > 0 and not self.stop.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self.stop.wait()
            except TimeoutError:
                pass

    async def _report(self, pool: WorkerPool) -> None:
        while True:
            elapsed = time.monotonic() - self._origin
            recent = pool.seconds(int(elapsed) - 1).get(int(elapsed) - 1, Second())
            self._show(Moment(self._stage, elapsed, pool.measurements, self._result.published, recent))
            await asyncio.sleep(0.25)
