"""Work that waits for its turn, so that an asker of much makes nobody else wait.

Each asker stands in a line of their own, and the lines take turns. Of each, one work is under way at a time, and
afterwards the line rests for as long as that took. So whoever asks for one thing waits for one work of each of the
others at most, however many those have asked for; and one who never stops asking has half of one of the few places
where works are done; beside the place that is kept for what is asked for again and again (`ahead`).

Several may ask for the same: it is done once, in the turn of whoever's comes first, and all of them have it. Nothing is
done that nobody waits for any more when its turn comes; what has begun is done to its end. And who
doesn't read what they were given has little more made until they do: it would all wait for them in memory.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, TypeVar

from liveserver.domain.errors import Busy, ClientGone
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

T = TypeVar("T")

AT_ONCE = 2
"""Works under way, of all lines together. Much of each is done on the event loop, and what is ready in the same turn of
it comes in a row, with everybody else behind it. While one is waited for by the database, another has the loop."""
WAITING_PER_LINE = 100
"""Works that one line may have waiting: five seconds of dear ones. A school behind one address that opens a hundred
different pages in the same moment gets them all."""
WAITING = 1_000
"""Works of all lines together, some 10 MB of requests: no line may have more waiting than there is room left. So a few
that fill it up leave room for others. A line that waits for nothing has its first work, always: of those there are no
more than connections."""
AHEAD_PER_LINE = 4
"""Works of one line that may wait to be done before the others': what is read again and again is a page, the list that
pages begin with, a feed, and what pollers ask for."""
REST_MAX = 1.0
"""Seconds that a line rests at most. What takes longer waits for a database, and takes nothing from the others."""


UNREAD_SLOW = 512 * 1024
"""Bytes that a line may have unread while its turns come as they come: one of the largest answers."""
UNREAD_SECONDS = 5.0
"""Seconds between its turns when it has more. Many may share an address, and not all of them read slowly."""
UNREAD_MOST = 8 * 1024 * 1024
"""Bytes beyond which nothing is begun for it."""
LOOK_SECONDS = 0.05
"""Seconds between looks whether it has read on."""


def _no() -> bool:
    return False


def _nothing() -> int:
    return 0


class Requester(NamedTuple):
    """One that asks for something, as far as it matters here."""

    line: Hashable
    """Where they wait: all in one line share what there is for one."""
    gone: Callable[[], bool] = _no
    """Whether they don't wait any more. Where nobody can tell, they always do."""
    address: str | None = None
    """As the log names who is turned away."""
    unread: Callable[[], int] = _nothing
    """Bytes that all in their line together were sent and haven't read."""


class Work(Generic[T]):
    """Something that is done once for all who ask for it before it begins."""

    __slots__ = ("_made", "begun", "charged_to", "key", "lines", "make", "taken")

    def __init__(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> None:
        self.key = key
        self.make = make
        self.taken = False
        """It has had its turn."""
        self.begun = False
        """It may not know of what a later asker knows of."""
        self.lines: list[_Line] = []
        """Those in which it waits."""
        self.charged_to: _Line | None = None
        """While it waits ahead of others: the line of whose few such works it is one."""
        self._made: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """It has been made, has failed, or won't be done."""
        return self._made.done()

    async def result(self) -> T:
        """What was made. Raises what the making raises, and ClientGone if nobody waited for it any more."""
        return await asyncio.shield(self._made)

    def succeed(self, made: T) -> None:
        """Hand it to all who wait."""
        if not self.over:
            self._made.set_result(made)

    def fail(self, error: BaseException) -> None:
        """Tell all who wait."""
        if not self.over:
            self._made.set_exception(error)
            # Should there be nobody, it isn't lost: it is theirs alone.
            self._made.exception()

    def cancel(self) -> None:
        """The process ends."""
        self._made.cancel()


class _Line:
    """The works that one asker waits for."""

    __slots__ = ("ahead", "busy", "key", "places", "slow_since", "unread")

    def __init__(self, key: Hashable, unread: Callable[[], int] = _nothing) -> None:
        self.key = key
        self.unread = unread
        self.slow_since: float | None = None
        """When it was first found to have to read; None since its last turn."""
        self.busy = False
        """One of its works is under way, or it rests, or has to read: it is not among those that take turns."""
        self.ahead = 0
        """How many of its works may be done ahead of others."""
        self.places: dict[Work[Any], list[Callable[[], bool]]] = {}
        """The works that wait, in the order of asking, each with its askers here: whether they have gone."""

    def stand(self, work: Work[Any], gone: Callable[[], bool]) -> None:
        """One more waits for the work here."""
        waiting = self.places.get(work)
        if waiting is None:
            self.places[work] = [gone]
            work.lines.append(self)
        else:
            waiting.append(gone)


class FairQueue:
    """One process's works, those that wait and those that are under way.

    `rest_max`: seconds that a line rests at most. `clock`: seconds, of any beginning.
    """

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        per_line: int = WAITING_PER_LINE,
        in_all: int = WAITING,
        rest_max: float = REST_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at_once = at_once
        self._per_line = per_line
        self._in_all = in_all
        self._rest_max = rest_max
        self._clock = clock
        self._works: dict[Hashable, Work[Any]] = {}
        """The last of each name, until it is over."""
        self._lines: dict[Hashable, _Line] = {}
        """Those in which works wait, and those that are busy."""
        self._ring: dict[Hashable, _Line] = {}
        """Those whose turn comes, in this order."""
        self._ahead = _Line(None)
        """Has a place of its own, and never rests."""
        self._running: set[asyncio.Task[None]] = set()
        self._under_way = 0
        """Works of lines: without the one that is done ahead of them."""
        self.waiting = 0
        """Works that wait for their turn."""

    async def close(self) -> None:
        """End what is under way, and what waits."""
        running = list(self._running)
        for task in running:
            task.cancel()
        for work in list(self._works.values()):
            work.cancel()
        self._works.clear()
        self._lines.clear()
        self._ring.clear()
        self._ahead.places.clear()
        await asyncio.gather(*running, return_exceptions=True)

    def find(self, key: Hashable) -> Work[Any] | None:
        """The work of that name that waits or is under way; the last, if there are several."""
        return self._works.get(key)

    async def made(self, key: Hashable, make: Callable[[], Awaitable[T]], requester: Requester) -> T:
        """What `make` makes in its turn, after this call. Raises what it raises, Busy and ClientGone."""
        return await self.join(key, make, requester).result()

    def join(
        self, key: Hashable, make: Callable[[], Awaitable[T]], requester: Requester, *, ahead: bool = False
    ) -> Work[T]:
        """The work of that name that hasn't begun, for one more asker; a new one if there is none.

        `ahead`: it is to be done before others, as many wait for it. Raises Busy if it were a new one too many.
        """
        work: Work[T] | None = self._works.get(key)
        line = self._lines.get(requester.line)
        if work is None or work.begun:
            self._admit(line, requester)
            work = self._works[key] = Work(key, make)
            self.waiting += 1
        if not work.taken:
            if line is None:
                line = self._lines[requester.line] = _Line(requester.line, requester.unread)
            if not line.busy:
                self._ring.setdefault(line.key, line)
            line.stand(work, requester.gone)
            if work in self._ahead.places:
                self._ahead.stand(work, requester.gone)
            elif ahead and line.ahead < AHEAD_PER_LINE and requester.unread() < UNREAD_SLOW:
                line.ahead += 1
                work.charged_to = line
                self._ahead.stand(work, requester.gone)
            self._go_on()
        return work

    def _admit(self, line: _Line | None, requester: Requester) -> None:
        # The fuller it is, the less each may have waiting.
        most = min(self._per_line, max(1, self._in_all - self.waiting))
        if (0 if line is None else len(line.places)) >= most:
            refusals.note(Reason.BUSY, address=requester.address, waiting=self.waiting)
            raise Busy("so many pages are being made for this address that no other is begun")
        if requester.unread() >= UNREAD_MOST:
            refuse_unread(requester)

    def _go_on(self) -> None:
        """Begin what can begin."""
        if not self._ahead.busy and (work := self._next(self._ahead)) is not None:
            self._begin(work, self._ahead)
        while self._under_way < self._at_once and self._ring:
            key = next(iter(self._ring))
            line = self._ring.pop(key)
            if (work := self._next(line)) is None:
                del self._lines[key]
            elif self._reads_first(line):
                self._pause(line, LOOK_SECONDS)
            else:
                self._under_way += 1
                self._begin(work, line)

    def _reads_first(self, line: _Line) -> bool:
        """Whether its turn comes later, as it has much that it hasn't read."""
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

    def _next(self, line: _Line) -> Work[Any] | None:
        """The first of its works that somebody waits for; those before it leave the line."""
        while line.places:
            work, waiting = next(iter(line.places.items()))
            if not all(gone() for gone in waiting):
                return work
            del line.places[work]
            work.lines.remove(line)
            if line is self._ahead:
                self._discharge(work)
            if not work.lines:
                self._leave(work)
                self._forget(work)
                work.fail(ClientGone("nobody waits for it any more"))
        return None

    def _leave(self, work: Work[Any]) -> None:
        """It doesn't wait any more, in any line."""
        work.taken = True
        self.waiting -= 1
        for line in work.lines:
            del line.places[work]
        work.lines.clear()
        self._discharge(work)

    def _discharge(self, work: Work[Any]) -> None:
        """It waits ahead of others no more."""
        if work.charged_to is not None:
            work.charged_to.ahead -= 1
            work.charged_to = None

    def _forget(self, work: Work[Any]) -> None:
        if self._works.get(work.key) is work:
            del self._works[work.key]

    def _begin(self, work: Work[Any], line: _Line) -> None:
        line.busy = True
        self._leave(work)
        task = asyncio.create_task(self._do(work, line))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _do(self, work: Work[Any], line: _Line) -> None:
        # Not before: whatever was asked until now is in time.
        work.begun = True
        began = self._clock()
        try:
            work.succeed(await work.make())
        except Exception as error:
            work.fail(error)
        finally:
            # What ends this process's works ends whoever waits for them.
            work.cancel()
            self._forget(work)
            self._ended(line, self._clock() - began)

    def _ended(self, line: _Line, seconds: float) -> None:
        if line is self._ahead:
            line.busy = False
        else:
            self._under_way -= 1
            self._pause(line, min(seconds, self._rest_max))
        self._go_on()

    def _pause(self, line: _Line, seconds: float) -> None:
        """It takes no turns for so long."""
        line.busy = True
        asyncio.get_running_loop().call_later(seconds, self._rested, line)

    def _rested(self, line: _Line) -> None:
        line.busy = False
        if self._lines.get(line.key) is not line:
            return
        if line.places:
            self._ring[line.key] = line
            self._go_on()
        else:
            del self._lines[line.key]


def refuse_unread(requester: Requester) -> NoReturn:
    """Raises Busy: an address is to read first."""
    refusals.note(Reason.BUSY, address=requester.address, unread=requester.unread())
    raise Busy("this address was sent so much that it hasn't read that nothing else is begun for it")
