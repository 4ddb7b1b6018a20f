"""The worker processes, as the first process sees them."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from contextlib import suppress
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.measuring.histogram import Measurements, Second
from liveserver.cli.bench.viewers import worker
from liveserver.cli.bench.viewers.worker import Connect, Finish, Report, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from liveserver.cli.bench.viewers.worker import Orders

START_SECONDS = 30.0
"""Seconds in which all processes must have sent their first report."""
END_SECONDS = 15.0
"""Seconds to wait for the last reports, and for a process to end."""


class Member:
    """One process, and its last report."""

    def __init__(self, process: SpawnProcess, connection: Connection) -> None:
        self.process = process
        self.connection = connection
        self.measurements = Measurements()
        self.seconds: dict[int, Second] = {}
        self.started = False
        self.settled = False
        self.final = -1
        self.last = False


class WorkerPool:
    """The pool of processes: starts them, gives them orders, and adds up their reports. It is a context manager."""

    def __init__(self, orders: Sequence[Orders]) -> None:
        self._orders = orders
        self._members: list[Member] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> WorkerPool:
        context = multiprocessing.get_context("spawn")
        loop = asyncio.get_running_loop()
        # If it were started later, it would undo the blocking of signals below.
        resource_tracker.ensure_running()
        try:
            for orders in self._orders:
                ours, theirs = context.Pipe()
                process = context.Process(target=worker.main, args=(orders, theirs), daemon=True)
                # Ctrl+C at a terminal goes to every process of the group; this one acts on it.
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                try:
                    process.start()
                finally:
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
                theirs.close()
                member = Member(process, ours)
                self._members.append(member)
                loop.add_reader(ours.fileno(), self._hear, member)
            await self.until(lambda: all(member.started for member in self._members), START_SECONDS)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    @property
    def measurements(self) -> Measurements:
        """The counts of all viewers."""
        total = Measurements()
        for member in self._members:
            total.merge(member.measurements)
        return total

    @property
    def settled(self) -> bool:
        """True if every viewer was connected or has given up."""
        return all(member.settled for member in self._members)

    @property
    def final(self) -> int:
        """The seq of the last change, for which all processes have counted `behind`; -1: not all have yet."""
        return min(member.final for member in self._members)

    @property
    def cpu(self) -> list[float]:
        """Seconds of processor time that each process has used."""
        return [member.measurements.cpu for member in self._members]

    def seconds(self, since: int = 0) -> dict[int, Second]:
        """Return the counts of each second of the run, from `since` on."""
        total: dict[int, Second] = {}
        for member in self._members:
            for number in [number for number in member.seconds if number >= since]:
                second = member.seconds[number]
                sums = total.setdefault(number, Second())
                sums.latency.merge(second.latency)
                sums.delivered += second.delivered
                sums.following += second.following
        return dict(sorted(total.items()))

    def connect(self, at: float, ramp: float) -> None:
        """Let all viewers connect: the first at `at` (monotonic clock), the last `ramp` seconds later."""
        self._tell(Connect(at, ramp))

    def finish(self, seq: int) -> None:
        """Tell the processes the seq of the last change."""
        self._tell(Finish(seq))

    async def stop(self) -> None:
        """Let all viewers leave, and wait for the last reports."""
        self._tell(Stop())
        await self.until(lambda: all(member.last for member in self._members), END_SECONDS)

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for reports until a condition holds; False if it takes too long. Raises Refused if a process died."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
                    self._check()
        self._check()
        return condition()

    def _tell(self, order: Connect | Finish | Stop) -> None:
        for member in self._members:
            with suppress(OSError):
                member.connection.send(order)

    def _hear(self, member: Member) -> None:
        try:
            while member.connection.poll():
                report: Report = member.connection.recv()
                member.started = True
                member.measurements = report.measurements
                member.seconds |= report.seconds
                member.settled = report.settled
                member.final = report.final
                member.last = report.last
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(member.connection.fileno())
            member.process.join(1.0)
        self._news.set()

    def _check(self) -> None:
        for member in self._members:
            if not member.last and not member.process.is_alive():
                raise Refused(f"a process that held viewers has died (status {member.process.exitcode})")

    async def _end(self) -> None:
        loop = asyncio.get_running_loop()
        for member in self._members:
            loop.remove_reader(member.connection.fileno())
            # A process whose connection is closed stops, even if it never got an order.
            member.connection.close()
        for member in self._members:
            await asyncio.to_thread(member.process.join, END_SECONDS)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            member.process.close()
