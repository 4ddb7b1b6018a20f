"""The pool of worker processes, which the first process starts and directs. The first process runs the command
`liveserver bench`."""

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
"""The greatest number of seconds to wait until every worker process has sent a report. After that, the run begins
anyway."""
END_SECONDS = 15.0
"""The greatest number of seconds to wait until all worker processes have sent their last reports. Each process then has
the same number of seconds to end before it is killed."""


class Member:
    """One worker process, with the contents of its latest report."""

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
    """The pool of worker processes: it starts them, gives them commands, and adds up their reports.

    It is an asynchronous context manager. `orders`: the instructions for all processes; one process is started for each
    item.
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
        """The measurements of all worker processes, added up."""
        total = Measurements()
        for member in self._members:
            total.merge(member.measurements)
        return total

    @property
    def settled(self) -> bool:
        """True if each viewer has either been connected or given up connecting."""
        return all(member.settled for member in self._members)

    @property
    def final(self) -> int:
        """The seq of the live blog's last change; -1 until every process has reported how many viewers haven't got this
        change."""
        return min(member.final for member in self._members)

    @property
    def cpu(self) -> list[float]:
        """The seconds of processor time that each worker process had used when it last reported."""
        return [member.measurements.cpu for member in self._members]

    def seconds(self, since: int = 0) -> dict[int, Second]:
        """Return a `Second` for each second of the run, by its number. It has the sums of all processes.

        `since`: the number of the first second that is returned.
        """
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
        """Let all viewers connect: the first at the time `at` (monotonic clock), the last `ramp` seconds later."""
        self._tell(Connect(at, ramp))

    def finish(self, seq: int) -> None:
        """Let the processes count the viewers that haven't got the live blog's last change, which has the seq `seq`."""
        self._tell(Finish(seq))

    async def stop(self) -> None:
        """Tell all processes to report, to disconnect their viewers, and to end. Wait for the last reports, at most
        END_SECONDS.

        Raises Refused if a process died before its last report.
        """
        self._tell(Stop())
        await self.until(lambda: all(member.last for member in self._members), END_SECONDS)

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for reports until a condition is true, for `seconds` at most. Return True if the condition is true at
        the end.

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
            # If the connection is closed, the process at its other end stops, even if it never got a command.
            member.connection.close()
        for member in self._members:
            await asyncio.to_thread(member.process.join, END_SECONDS)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            member.process.close()
