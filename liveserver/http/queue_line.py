"""A line of a fair queue: the jobs that wait in it, and the requesters that wait for these jobs.

The queue (`http/fair_queue.py`) decides when a job begins. Its module explains the four words.
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
    """A request that asks for an answer, as far as the fair queue has to know it."""

    line: Hashable
    """The key of the requester's line. All requesters with the same key wait in the same line."""
    gone: Callable[[], bool] = _no
    """A function that returns True if the client has left. It always returns False if the server can't tell that."""
    address: str | None = None
    """The client's address, for the log if the requester is refused."""
    crowd: bool = False
    """True if many clients that can't be told apart share the line, such as those behind a proxy that forwards no
    addresses. The number of requests in such a line isn't limited."""
    unread: Callable[[], int] = _nothing
    """A function that returns how many bytes all clients of the line together were sent and haven't read."""


class Job(Generic[T]):
    """The making of one answer, for all requesters that ask for it before the making begins."""

    __slots__ = ("_result", "begun", "charged_to", "key", "lines", "make", "taken")

    def __init__(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> None:
        self.key = key
        self.make = make
        self.taken = False
        """True once the job doesn't wait any more: it had its turn, or was dropped."""
        self.begun = False
        """True once `make` was called. The result may lack changes that were made after that call."""
        self.lines: list[Line] = []
        """The lines in which the job waits. It may wait in several, as each of its requesters has a line."""
        self.charged_to: Line | None = None
        """The line whose number `ahead` includes this job; None if the job doesn't wait ahead of others."""
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
        """Set the result: all requesters that wait in `result` get it."""
        if not self.over:
            self._result.set_result(result)

    def fail(self, error: BaseException) -> None:
        """Set an error: it is raised for all requesters that wait in `result`."""
        if not self.over:
            self._result.set_exception(error)
            # Without this line, asyncio would log an error that no requester waits for as never retrieved.
            self._result.exception()

    def cancel(self) -> None:
        """Cancel all requesters that wait in `result`, as the process ends. Does nothing if the job is over."""
        self._result.cancel()


class Line:
    """One line: the jobs that its requesters wait for."""

    __slots__ = ("ahead", "busy", "key", "places", "slow_since", "unread")

    def __init__(self, key: Hashable, unread: Callable[[], int] = _nothing) -> None:
        self.key = key
        self.unread = unread
        self.slow_since: float | None = None
        """The time since which the line's turn is put off because its clients have too much unread; None if it isn't
        put off."""
        self.busy = False
        """True while the line gets no turns: one of its jobs is under way, or the line rests, or its clients have to
        read first."""
        self.ahead = 0
        """The number of the line's jobs that wait ahead of others."""
        self.places: dict[Job[Any], list[Callable[[], bool]]] = {}
        """The jobs that wait in this line, oldest first. Each has a list of functions: the `gone` of every requester
        that waits for the job in this line."""

    @property
    def requesters(self) -> int:
        """The number of requests that wait in this line, whichever of its jobs they wait for."""
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
