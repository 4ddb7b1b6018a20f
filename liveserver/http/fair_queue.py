"""A queue of jobs that is fair: the many requests of one client don't delay the requests of other clients.

Five words have a special meaning here. A *requester* is a request that waits for an answer. A *job* makes the answer. A
*line* is the queue of the jobs for one client, or for several clients that are treated as one, such as all clients at
one address. A *turn* is the moment at which a line may begin one job. A line *rests* when it gets no turn for some time
after a job.

The lines take turns. At most one job of each line is under way. After a job, the line rests for as long as the job
took, but for `rest_max` seconds at most. So a client with one request waits for at most one job of each other line,
however many jobs wait in the other lines. At most `at_once` jobs are under way at a time. A line that is never empty
occupies one of these places for half of the time, if its jobs take less than `rest_max`. There is one more place, for
answers that many requesters ask for (`ahead`).

Several requesters may ask for the same answer. One job then makes the answer for all of them, in the first turn of any
of their lines. If all requesters of a job have left when its turn comes, the job is dropped. A job that has begun isn't
stopped until the process ends. Bytes that clients were sent and haven't read stay in memory. So if the clients of a
line have too many unread bytes, the line gets fewer turns until the clients have read these bytes.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from liveserver.domain.errors import Busy, ClientGone
from liveserver.http.queue_line import Job, Line
from liveserver.utils.background import BackgroundTasks
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from liveserver.http.queue_line import Requester

T = TypeVar("T")

AT_ONCE = 2
"""At most this many jobs are under way at a time, of all lines together. Much of each job runs on the event loop. If
many jobs were under way, several could be ready at once. They would run one after the other, and everything else would
have to wait. With two jobs, one can run while the other waits for the database. A job that is done ahead of other jobs
isn't counted."""
WAITING_PER_LINE = 100
"""At most this many jobs may wait in one line. A hundred expensive jobs take five seconds together. The limit is high
enough for a school with one address: if a hundred pupils open different pages at once, all of them get an answer."""
WAITING = 1_000
"""At most this many jobs may wait in all lines together. Their requests take some 10 MB of memory. A line may get
another job only while it has fewer waiting jobs than the queue has free places. So a few lines never use all places. A
line without waiting jobs may always get one job, even if the queue is full. That adds few jobs, as there are never more
such lines than connections."""
REQUESTERS_PER_LINE = 2_000
"""At most this many requests may wait for the jobs of one line. By default, one address may send this many requests at
once. Each request takes some 24 KB of memory until its job is done, even if the client leaves earlier."""
AHEAD_PER_LINE = 4
"""At most this many jobs of one line may wait to be done ahead of all other jobs. A job is done ahead of other jobs if
many requesters ask for its result. The readers of one live blog ask again and again for four answers: its page, the
list of entries, a feed, and changes."""
REST_MAX = 1.0
"""After a job, the job's line rests for as long as the job took, but for this many seconds at most. A job that takes
longer is only waiting for the database, and meanwhile doesn't slow down other lines."""

UNREAD_SLOW = 512 * 1024
"""A line gets fewer turns while its clients have this many unread bytes, or more: bytes that they were sent and haven't
read. This is the size of one of the largest answers."""
UNREAD_SECONDS = 5.0
"""Seconds between two turns of a line if its clients have `UNREAD_SLOW` unread bytes or more. Such a line still gets
turns, because many clients may share an address, and not all of them read slowly."""
UNREAD_MOST = 8 * 1024 * 1024
"""While a line's clients have this many unread bytes, or more, the line gets no new jobs: a requester is refused with
Busy, unless the job that it asks for waits already."""
LOOK_SECONDS = 0.05
"""Seconds between two checks of whether the clients of a line have read enough for its next turn."""


class FairQueue:
    """The waiting and running jobs of one kind in one process.

    `at_once`: how many jobs may be under way at a time. `per_line`: how many jobs may wait in one line. `in_all`: how
    many jobs may wait in all lines together. `requesters_per_line`: how many requests may wait for the jobs of one
    line. `rest_max`: the longest time, in seconds, that a line rests after a job. `clock`: a function that returns the
    seconds since any fixed moment.
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
        """The newest job of each key, until the job is over."""
        self._lines: dict[Hashable, Line] = {}
        """The lines that have waiting jobs, and the lines that may have no turn now (`Line.busy`)."""
        self._ring: dict[Hashable, Line] = {}
        """The lines that wait for a turn. The first line has the next turn."""
        self._requesters_per_line = requesters_per_line
        self._ahead = Line(None)
        """The line of the jobs that are done ahead of other jobs. This line never rests. One of its jobs may be under
        way in addition to `at_once` jobs of the other lines."""
        self._running = BackgroundTasks()
        self._under_way = 0
        """The number of jobs under way. A job that was begun from the line `_ahead` isn't counted."""
        self.waiting = 0
        """The number of jobs that wait for their turn."""

    async def close(self) -> None:
        """Cancel all jobs, both waiting and under way, with all their requesters."""
        running = self._running.cancel()
        for job in list(self._jobs.values()):
            job.cancel()
        self._jobs.clear()
        self._lines.clear()
        self._ring.clear()
        self._ahead.places.clear()
        await asyncio.gather(*running, return_exceptions=True)

    def find(self, key: Hashable) -> Job[Any] | None:
        """Return the newest job of a key, if that job waits or is under way; else None."""
        return self._jobs.get(key)

    async def run(self, key: Hashable, make: Callable[[], Awaitable[T]], requester: Requester) -> T:
        """Call `make` when the requester's line has its turn, and return the result.

        If several requesters ask for the same `key` before `make` is called, `make` is called once for all of them.
        Raises the errors of `make`, and Busy as `join` does. Raises ClientGone if the job was dropped because all its
        requesters had left.
        """
        return await self.join(key, make, requester).result()

    def join(
        self, key: Hashable, make: Callable[[], Awaitable[T]], requester: Requester, *, ahead: bool = False
    ) -> Job[T]:
        """Let the requester wait for the job of a key, and return that job.

        If the key has no job, or if the key's job has begun already, a new job is made. `ahead`: True if the job is to
        be done ahead of other jobs because many requesters ask for its result. It has no effect if `AHEAD_PER_LINE`
        such jobs of the line wait already, or if the line's clients have `UNREAD_SLOW` unread bytes or more.

        Raises Busy if too many jobs or requests wait already. Also raises Busy if a new job is needed, but the clients
        of the requester's line have too many unread bytes.
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
                line = self._lines[requester.line] = Line(requester.line, requester.unread)
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

    def _admit(self, line: Line | None, requester: Requester) -> None:
        """Raise Busy if too many jobs wait in the requester's line, or if the line's clients have too many unread
        bytes.

        Called if a new job is needed. `line`: the requester's line; None if it doesn't exist yet.
        """
        # The fuller the queue is, the fewer jobs may wait in each line.
        limit = min(self._per_line, max(1, self._in_all - self.waiting))
        if (0 if line is None else len(line.places)) >= limit:
            refusals.note(Reason.BUSY, address=requester.address, waiting=self.waiting)
            raise Busy("so much is being made for this address or key that nothing else is begun")
        if requester.unread() >= UNREAD_MOST:
            refuse_unread(requester)

    def _admit_another(self, line: Line, requester: Requester) -> None:
        """Raise Busy if too many requests wait in the line. If the requester is in a crowd, there is no limit.

        Called if the job that the requester asks for exists already.
        """
        if not requester.crowd and line.requesters >= self._requesters_per_line:
            refusals.note(Reason.BUSY, address=requester.address, waiting=self.waiting)
            raise Busy("so many requests of this address or key wait that no other can")

    def _begin_jobs(self) -> None:
        """Begin as many jobs as may be under way, in the order of the lines' turns."""
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

    def _must_read_first(self, line: Line) -> bool:
        """True if the line's turn is delayed, because the line's clients have too many unread bytes.

        After a delay of `UNREAD_SECONDS`, the line has one turn nevertheless: the result is False once.
        """
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

    def _next(self, line: Line) -> Job[Any] | None:
        """Return the line's oldest job for which a requester in this line still waits; None if there is no such job.

        Older jobs are removed from this line. An older job that waits in no other line is dropped: it fails with
        ClientGone.
        """
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
        """Remove the job from all lines, as the job doesn't wait any longer."""
        job.taken = True
        self.waiting -= 1
        for line in job.lines:
            del line.places[job]
        job.lines.clear()
        self._discharge(job)

    def _discharge(self, job: Job[Any]) -> None:
        """Subtract one from `ahead` of the line `job.charged_to`, and set `charged_to` to None. Does nothing if
        `charged_to` is None."""
        if job.charged_to is not None:
            job.charged_to.ahead -= 1
            job.charged_to = None

    def _forget(self, job: Job[Any]) -> None:
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]

    def _begin(self, job: Job[Any], line: Line) -> None:
        line.busy = True
        self._leave(job)
        self._running.spawn(self._do(job, line))

    async def _do(self, job: Job[Any], line: Line) -> None:
        # This is set only when the task runs: until then, one more requester can join and get an up-to-date result.
        job.begun = True
        started_at = self._clock()
        try:
            job.succeed(await job.make())
        except Exception as error:
            job.fail(error)
        finally:
            # If this task is cancelled, as the process ends, this cancels the job's requesters. Else it does nothing.
            job.cancel()
            self._forget(job)
            self._ended(line, self._clock() - started_at)

    def _ended(self, line: Line, seconds: float) -> None:
        if line is self._ahead:
            line.busy = False
        else:
            self._under_way -= 1
            self._pause(line, min(seconds, self._rest_max))
        self._begin_jobs()

    def _pause(self, line: Line, seconds: float) -> None:
        """Give the line no turns for this many seconds."""
        line.busy = True
        asyncio.get_running_loop().call_later(seconds, self._rested, line)

    def _rested(self, line: Line) -> None:
        line.busy = False
        if self._lines.get(line.key) is not line:
            return
        if line.places:
            self._ring[line.key] = line
            self._begin_jobs()
        else:
            del self._lines[line.key]


def refuse_unread(requester: Requester) -> NoReturn:
    """Raise Busy, as the clients of the requester's line have too many unread bytes. Count and log the refusal."""
    refusals.note(Reason.BUSY, address=requester.address, unread=requester.unread())
    raise Busy("this address was sent so much that it hasn't read that nothing else is begun for it")
