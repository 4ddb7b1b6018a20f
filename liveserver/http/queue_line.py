"""A line of a fair queue: the jobs that wait in it, and the requesters that wait for these jobs.

The queue (`http/fair_queue.py`) decides when a job begins. The queue's module explains the words *requester*, *job*,
*line* and *turn*.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")


def _no() -> bool:
    return False


def _nothing() -> int:
    return 0


class Requester(NamedTuple):
    """A request that waits for an answer: the facts that the fair queue needs about the request."""

    line: Hashable
    """The key of the requester's line. All requesters with the same key wait in the same line."""
    gone: Callable[[], bool] = _no
    """A function that returns True if the client has left. If the server can't know this, the function always returns
    False."""
    address: str | None = None
    """The client's address. It is logged if the requester is refused."""
    crowd: bool = False
    """True if the line has many clients that the server can't distinguish, such as clients behind a proxy that forwards
    no addresses. The number of requests in such a line isn't limited."""
    unread: Callable[[], int] = _nothing
    """A function that returns the number of bytes that were sent to the line's clients and that the clients haven't
    read yet."""


class Job(Generic[T]):
    """The work of making one answer. All requesters that ask for this answer before the work begins share the job."""

    __slots__ = ("_result", "begun", "charged_to", "key", "lines", "make", "taken")

    def __init__(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> None:
        self.key = key
        self.make = make
        self.taken = False
        """True once the job has stopped waiting: it had its turn, or was dropped."""
        self.begun = False
        """True once `make` was called. The result may lack changes that were made later."""
        self.lines: list[Line] = []
        """The lines in which the job waits. A job may wait in several lines, as each of its requesters has a line."""
        self.charged_to: Line | None = None
        """The line whose number `ahead` includes this job. None if the job has stopped waiting, or doesn't wait to be
        done ahead of other jobs."""
        self._result: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """True if the job has a result, has failed, or was dropped or cancelled."""
        return self._result.done()

    async def result(self) -> T:
        """Wait for the job, and return its result.

        Raises the errors of `make`, and ClientGone if the job was dropped because all its requesters had left.
        """
        return await asyncio.shield(self._result)

    def succeed(self, result: T) -> None:
        """Set the job's result. All calls of `Job.result` return it. Does nothing if the job is over."""
        if not self.over:
            self._result.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Set the job's error. All calls of `Job.result` raise it. Does nothing if the job is over."""
        if not self.over:
            self._result.set_exception(error)
            # Without this line, asyncio would log an error that no requester waits for as never retrieved.
            self._result.exception()

    def cancel(self) -> None:
        """Cancel all calls of `Job.result`, as the process ends. Does nothing if the job is over."""
        self._result.cancel()


class Line:
    """One line of a fair queue: its waiting jobs, and the requesters that wait for each job."""

    __slots__ = ("ahead", "busy", "key", "places", "slow_since", "unread")

    def __init__(self, key: Hashable, unread: Callable[[], int] = _nothing) -> None:
        self.key = key
        self.unread = unread
        self.slow_since: float | None = None
        """The time, by the queue's clock, since which the line's turn is delayed because the line's clients have too
        many unread bytes. None if the turn isn't delayed."""
        self.busy = False
        """True while the line gets no turns, for one of three reasons: one of its jobs is under way, or the line rests,
        or the line's clients must first read what they were sent."""
        self.ahead = 0
        """The number of waiting jobs that are done ahead of all other jobs because a requester of this line asked for
        them (`Job.charged_to`)."""
        self.places: dict[Job[Any], list[Callable[[], bool]]] = {}
        """The jobs that wait in this line, oldest first. The list of a job has one function for each requester that
        waits for the job in this line: the requester's function `gone`."""

    @property
    def requesters(self) -> int:
        """The number of requesters that wait in this line."""
        return sum(map(len, self.places.values()))

    def stand(self, job: Job[Any], gone: Callable[[], bool]) -> None:
        """Add a requester that waits for the job in this line.

        `gone`: a function that returns True if the requester's client has left.
        """
        waiting = self.places.get(job)
        if waiting is None:
            self.places[job] = [gone]
            job.lines.append(self)
        else:
            waiting.append(gone)
