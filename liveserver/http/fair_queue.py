"""A queue of jobs that is fair to requesters: one that asks for much makes nobody else wait.

Four words: a *requester* asks for something. A *job* makes it. A *line* is the queue of one requester's jobs, or of all
requesters that share what there is for one (an address). A *turn* is the moment at which a line may begin one job.

The lines take turns. At most one job of each line is under way, and afterwards the line rests for as long as the job
took. A requester of one thing therefore waits for at most one job of each other line, however many jobs wait in those.
A requester that never stops asking has half of one of the few places where jobs are done. One more place is kept for
what is asked for again and again (`ahead`).

Several requesters may ask for the same thing. It is then one job, done in the first of their turns, and all of them get
its result. A job whose requesters have all gone when its turn comes isn't done; a job that has begun is done to its
end. A requester that doesn't read what it was sent gets little more made until it reads: all of it would wait in
memory.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

from liveserver.domain.errors import Busy, ClientGone
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")

AT_ONCE = 2
"""Jobs under way, of all lines together. Much of each is done on the event loop, and jobs that are ready in the same
turn of the loop run one after the other, with everybody else behind them. While one job waits for the database, another
has the loop."""
WAITING_PER_LINE = 100
"""Jobs that one line may have waiting: five seconds of expensive ones. A school behind one address that opens a hundred
different pages in the same moment gets them all."""
WAITING = 1_000
"""Jobs that wait in all lines together, some 10 MB of requests. No line may have more waiting than there is room left,
so a few that fill the queue leave room for others. A line in which nothing waits may always have one job: there are no
more such lines than connections."""
REQUESTERS_PER_LINE = 2_000
"""Requests that may wait in one line, for whichever jobs: as many as one address may send at once. Each takes 24 KB or
so until its job is done, also after its client has left."""
AHEAD_PER_LINE = 4
"""Jobs of one line that may wait to be done before the others': readers of one live blog ask again and again for its
page, the list of entries, a feed, and changes."""
REST_MAX = 1.0
"""Seconds that a line rests at most. A job that takes longer waits for a database, and takes nothing from the
others."""


UNREAD_SLOW = 512 * 1024
"""Bytes that a line may have unread without losing turns: one of the largest answers."""
UNREAD_SECONDS = 5.0
"""Seconds between the turns of a line that has more unread. Many may share an address, and not all of them read
slowly."""
UNREAD_MOST = 8 * 1024 * 1024
"""Unread bytes of a line from which on no new job is taken for it."""
LOOK_SECONDS = 0.05
"""Seconds between two checks of whether a line that reads slowly has read on."""


def _no() -> bool:
    return False


def _nothing() -> int:
    return 0


class Requester(NamedTuple):
    """One client that asks for something, as far as the queue has to know it."""

    line: Hashable
    """The key of its line. All requesters with the same key share what there is for one."""
    gone: Callable[[], bool] = _no
    """Returns True if the requester doesn't wait any more. Always False where the server can't tell."""
    address: str | None = None
    """The address that the log names if the requester is turned away."""
    crowd: bool = False
    """True if clients share the line that can't be told apart, as behind a proxy that forwards no addresses."""
    unread: Callable[[], int] = _nothing
    """Returns the bytes that all requesters of the line together were sent and haven't read."""


class Job(Generic[T]):
    """Something that is made once for all who ask for it before it begins."""

    __slots__ = ("_result", "begun", "charged_to", "key", "lines", "make", "taken")

    def __init__(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> None:
        self.key = key
        self.make = make
        self.taken = False
        """True once the job doesn't wait any more: it had its turn, or was dropped."""
        self.begun = False
        """True once the job runs. Its result may then miss what a later requester knows of."""
        self.lines: list[_Line] = []
        """The lines in which the job waits."""
        self.charged_to: _Line | None = None
        """While the job waits ahead of others: the line against whose `AHEAD_PER_LINE` it counts."""
        self._result: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """True if the job has ended, has failed, or won't be done."""
        return self._result.done()

    async def result(self) -> T:
        """Wait for the result. Raises what `make` raises, and ClientGone if the job was dropped as nobody waited."""
        return await asyncio.shield(self._result)

    def succeed(self, result: T) -> None:
        """Give the result to all who wait for it."""
        if not self.over:
            self._result.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Raise an error for all who wait for the result."""
        if not self.over:
            self._result.set_exception(error)
            # If nobody waits, asyncio would log the error as never retrieved. It concerns only those who wait.
            self._result.exception()

    def cancel(self) -> None:
        """Cancel all who wait for the result: the process ends."""
        self._result.cancel()


class _Line:
    """The jobs that the requesters of one line wait for."""

    __slots__ = ("ahead", "busy", "key", "places", "slow_since", "unread")

    def __init__(self, key: Hashable, unread: Callable[[], int] = _nothing) -> None:
        self.key = key
        self.unread = unread
        self.slow_since: float | None = None
        """The time at which the line was first found to have too much unread; None if it wasn't since its last turn."""
        self.busy = False
        """True while the line takes no turns: one of its jobs is under way, or it rests, or it has to read first."""
        self.ahead = 0
        """The number of its jobs that wait ahead of others."""
        self.places: dict[Job[Any], list[Callable[[], bool]]] = {}
        """The jobs that wait, oldest first, each with the `gone` of every requester that waits for it in this line."""

    @property
    def requesters(self) -> int:
        """The requests that wait in this line, for all of its jobs."""
        return sum(map(len, self.places.values()))

    def stand(self, job: Job[Any], gone: Callable[[], bool]) -> None:
        """Let one more requester wait for the job in this line."""
        waiting = self.places.get(job)
        if waiting is None:
            self.places[job] = [gone]
            job.lines.append(self)
        else:
            waiting.append(gone)


class FairQueue:
    """One process's jobs, those that wait and those that are under way.

    `at_once`: jobs under way at a time. `per_line`, `in_all`: jobs that may wait in one line, and in all lines
    together. `requesters_per_line`: requests that may wait in one line, for all of its jobs. `rest_max`: seconds that a
    line rests at most. `clock`: returns seconds since any fixed moment.
    """

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        per_line: int = WAITING_PER_LINE,
        in_all: int = WAITING,
        rest_max: float = REST_MAX,
        requesters_per_line: int = REQUESTERS_PER_LINE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once = at_once
        self._per_line = per_line
        self._in_all = in_all
        self._rest_max = rest_max
        self._clock = clock
        self._jobs: dict[Hashable, Job[Any]] = {}
        """The newest job of each key, until it is over."""
        self._lines: dict[Hashable, _Line] = {}
        """The lines in which jobs wait, and those that are busy."""
        self._ring: dict[Hashable, _Line] = {}
        """The lines that take turns, the next one first."""
        self._requesters_per_line = requesters_per_line
        self._ahead = _Line(None)
        """The line of the jobs that go ahead: it has a place of its own, and never rests."""
        self._running = BackgroundTasks()
        self._under_way = 0
        """Jobs under way, without the one that goes ahead."""
        self.waiting = 0
        """Jobs that wait for their turn."""

    async def close(self) -> None:
        """Cancel the jobs that are under way, and those that wait."""
        running = self._running.cancel()
        for job in list(self._jobs.values()):
            job.cancel()
        self._jobs.clear()
        self._lines.clear()
        self._ring.clear()
        self._ahead.places.clear()
        await asyncio.gather(*running, return_exceptions=True)

    def find(self, key: Hashable) -> Job[Any] | None:
        """Return the newest job of that key that waits or is under way; None if there is none."""
        return self._jobs.get(key)

    async def run(self, key: Hashable, make: Callable[[], Awaitable[T]], requester: Requester) -> T:
        """Call `make` in the requester's turn, once for all who ask for `key` before that, and return its result.

        Raises what `make` raises, Busy if the requester may not wait, and ClientGone if the job was dropped as nobody
        waited for it.
        """
        return await self.join(key, make, requester).result()

    def join(
        self, key: Hashable, make: Callable[[], Awaitable[T]], requester: Requester, *, ahead: bool = False
    ) -> Job[T]:
        """Let the requester wait for the job of that key that hasn't begun, or for a new one; return the job.

        `ahead`: the job is to go before others, as many wait for it. Raises Busy if a new job would be one too many, or
        the requester's line has too much unread.
        """
        job: Job[T] | None = self._jobs.get(key)
        line = self._lines.get(requester.line)
        if job is None or job.begun:
            self._admit(line, requester)
            job = self._jobs[key] = Job(key, make)
            self.waiting += 1
        elif not job.taken and line is not None:
            self._admit_another(line, requester)
        if not job.taken:
            if line is None:
                line = self._lines[requester.line] = _Line(requester.line, requester.unread)
            if not line.busy:
                self._ring.setdefault(line.key, line)
            line.stand(job, requester.gone)
            if job in self._ahead.places:
                self._ahead.stand(job, requester.gone)
            elif ahead and line.ahead < AHEAD_PER_LINE and requester.unread() < UNREAD_SLOW:
                line.ahead += 1
                job.charged_to = line
                self._ahead.stand(job, requester.gone)
            self._begin_jobs()
        return job

    def _admit(self, line: _Line | None, requester: Requester) -> None:
        """Raise Busy if no new job may wait for the requester."""
        # The fuller the queue is, the less each line may have waiting.
        limit = min(self._per_line, max(1, self._in_all - self.waiting))
        if (0 if line is None else len(line.places)) >= limit:
            refusals.note(Reason.BUSY, address=requester.address, waiting=self.waiting)
            raise Busy("so much is being made for this address or key that nothing else is begun")
        if requester.unread() >= UNREAD_MOST:
            refuse_unread(requester)

    def _admit_another(self, line: _Line, requester: Requester) -> None:
        """Raise Busy if no more requests may wait in the requester's line, even for a job that waits already."""
        if not requester.crowd and line.requesters >= self._requesters_per_line:
            refusals.note(Reason.BUSY, address=requester.address, waiting=self.waiting)
            raise Busy("so many requests of this address or key wait that no other can")

    def _begin_jobs(self) -> None:
        """Begin as many jobs as there are free places."""
        if not self._ahead.busy and (job := self._next(self._ahead)) is not None:
            self._begin(job, self._ahead)
        while self._under_way < self._at_once and self._ring:
            key = next(iter(self._ring))
            line = self._ring.pop(key)
            if (job := self._next(line)) is None:
                del self._lines[key]
            elif self._must_read_first(line):
                self._pause(line, LOOK_SECONDS)
            else:
                self._under_way += 1
                self._begin(job, line)

    def _must_read_first(self, line: _Line) -> bool:
        """True if the line's turn has to come later, as its requesters have much that they haven't read."""
        if line.unread() < UNREAD_SLOW:
            line.slow_since = None
            return False
        now = self._clock()
        if line.slow_since is None:
            line.slow_since = now
        if now - line.slow_since < UNREAD_SECONDS:
            return True
        line.slow_since = None
        return False

    def _next(self, line: _Line) -> Job[Any] | None:
        """Return the line's first job that somebody waits for, and drop the jobs before it; None if there is none."""
        while line.places:
            job, waiting = next(iter(line.places.items()))
            if not all(gone() for gone in waiting):
                return job
            del line.places[job]
            job.lines.remove(line)
            if line is self._ahead:
                self._discharge(job)
            if not job.lines:
                self._leave(job)
                self._forget(job)
                job.fail(ClientGone("nobody waits for it any more"))
        return None

    def _leave(self, job: Job[Any]) -> None:
        """Take the job out of all lines."""
        job.taken = True
        self.waiting -= 1
        for line in job.lines:
            del line.places[job]
        job.lines.clear()
        self._discharge(job)

    def _discharge(self, job: Job[Any]) -> None:
        """Free the place ahead of others that the job took of its line's few."""
        if job.charged_to is not None:
            job.charged_to.ahead -= 1
            job.charged_to = None

    def _forget(self, job: Job[Any]) -> None:
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]

    def _begin(self, job: Job[Any], line: _Line) -> None:
        line.busy = True
        self._leave(job)
        self._running.spawn(self._do(job, line))

    async def _do(self, job: Job[Any], line: _Line) -> None:
        # Set as late as this: a requester that joined before the task runs still gets an up-to-date result.
        job.begun = True
        started_at = self._clock()
        try:
            job.succeed(await job.make())
        except Exception as error:
            job.fail(error)
        finally:
            # If this task is cancelled, as the process ends, so are all who wait for the job. Else this does nothing.
            job.cancel()
            self._forget(job)
            self._ended(line, self._clock() - started_at)

    def _ended(self, line: _Line, seconds: float) -> None:
        if line is self._ahead:
            line.busy = False
        else:
            self._under_way -= 1
            self._pause(line, min(seconds, self._rest_max))
        self._begin_jobs()

    def _pause(self, line: _Line, seconds: float) -> None:
        """Let the line take no turns for so many seconds."""
        line.busy = True
        asyncio.get_running_loop().call_later(seconds, self._rested, line)

    def _rested(self, line: _Line) -> None:
        line.busy = False
        if self._lines.get(line.key) is not line:
            return
        if line.places:
            self._ring[line.key] = line
            self._begin_jobs()
        else:
            del self._lines[line.key]


def refuse_unread(requester: Requester) -> NoReturn:
    """Raise Busy, and count the refusal: the requester's address has to read first."""
    refusals.note(Reason.BUSY, address=requester.address, unread=requester.unread())
    raise Busy("this address was sent so much that it hasn't read that nothing else is begun for it")
