"""The worker processes, as the first process sees them. The first process runs the command `liveserver bench`."""

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
"""Seconds to wait at most for the first report of every process."""
END_SECONDS = 15.0
"""Seconds to wait at most for the last reports of all processes, and then for each process to end."""


class Member:
    """One worker process, with what its latest report says."""

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
    """The pool of worker processes: it starts them, gives them orders, and adds up their reports.

    It is an asynchronous context manager. `orders`: what each process has to do; there is one process for each.
    """

    def __init__(self, orders: Sequence[Orders]) -> None:
        self._orders = orders
        self._members: list[Member] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> WorkerPool:
        context = multiprocessing.get_context("spawn")
        loop = asyncio.get_running_loop()
        # Python starts its resource tracker together with the first process. Then it would undo the blocking of the
        # signal below, so we start it before.
        resource_tracker.ensure_running()
        try:
            for orders in self._orders:
                ours, theirs = context.Pipe()
                process = context.Process(target=worker.main, args=(orders, theirs), daemon=True)
                # Ctrl+C at a terminal goes to every process of the group. Only this process acts on it: the new one
                # begins with the signal blocked.
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
        """The counts of the viewers of all processes, added up."""
        total = Measurements()
        for member in self._members:
            total.merge(member.measurements)
        return total

    @property
    def settled(self) -> bool:
        """True if the stream of every viewer has begun, or the viewer has given up."""
        return all(member.settled for member in self._members)

    @property
    def final(self) -> int:
        """The seq of the last change, if all processes have counted the viewers that haven't got it; otherwise -1."""
        return min(member.final for member in self._members)

    @property
    def cpu(self) -> list[float]:
        """For each process, how many seconds of processor time it has used."""
        return [member.measurements.cpu for member in self._members]

    def seconds(self, since: int = 0) -> dict[int, Second]:
        """Return the counts of each second of the run, from the second numbered `since` on."""
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
        """Let all viewers connect: the first one at `at` (monotonic clock), the last one `ramp` seconds later."""
        self._tell(Connect(at, ramp))

    def finish(self, seq: int) -> None:
        """Let the processes count the viewers that haven't got the last change. `seq`: the seq of that change."""
        self._tell(Finish(seq))

    async def stop(self) -> None:
        """Let all viewers leave, and wait at most END_SECONDS for the last report of every process."""
        self._tell(Stop())
        await self.until(lambda: all(member.last for member in self._members), END_SECONDS)

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for reports until a condition is true, at most so many seconds. Return whether it is true now.

        Raises Refused if a process died before its last report.
        """
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
            # If the connection is closed, the process at its other end stops, even if it never got an order.
            member.connection.close()
        for member in self._members:
            await asyncio.to_thread(member.process.join, END_SECONDS)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            member.process.close()
