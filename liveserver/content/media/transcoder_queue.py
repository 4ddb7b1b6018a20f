"""Turns at the transcoder, so that a sender of dear pictures makes nobody else wait for long.

Each owner (a key, or a source) has a line of its own, and the lines take turns. One picture of each is developed at a
time; after one that took long the line rests for as long again. So one owner leaves a place to the others, and whoever
sends one picture waits for one of each of the others at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from liveserver.domain.errors import Busy
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Hashable

REST_FROM = 2.0
"""Seconds of a picture after which its line rests: photographs take less, and many are sent in a row."""


class TranscoderQueue:
    """The owners whose pictures wait or are being developed.

    `at_once`: pictures under way; `places`: those and the ones that wait, together. No owner has more places than there
    are free ones, so that a few that fill them up leave some for others.
    """

    def __init__(self, *, at_once: int, places: int) -> None:
        self._idle = at_once
        self._places = places
        """Free ones."""
        self._held: dict[Hashable, int] = {}
        """Places of each owner that has some."""
        self._lines: dict[Hashable, deque[asyncio.Future[None]]] = {}
        """Those that wait, of each owner."""
        self._ring: dict[Hashable, None] = {}
        """Owners whose turn comes, in this order: they wait, have nothing under way, and don't rest."""
        self._busy: set[Hashable] = set()
        """Owners with a picture under way, and those that rest."""

    async def enter(self, owner: Hashable) -> None:
        """Return when it is the owner's turn, which lasts until `leave`. Raises Busy if there is no place."""
        if self._held.get(owner, 0) >= self._places:
            refusals.note(Reason.BUSY, owner=owner)
            raise Busy("too many pictures are being developed already")
        self._places -= 1
        self._held[owner] = self._held.get(owner, 0) + 1
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(owner, deque()).append(turn)
        self._let_in(owner)
        try:
            await turn
        except BaseException:
            if turn.cancelled():
                self._lines[owner].remove(turn)
                self._free(owner)
                self._let_in(owner)
            else:
                # It was let in at the moment of leaving.
                self.leave(owner, 0.0)
            raise

    def leave(self, owner: Hashable, seconds: float) -> None:
        """The owner's picture has been developed, in so many seconds."""
        self._idle += 1
        self._free(owner)
        if seconds < REST_FROM:
            self._rested(owner)
        else:
            asyncio.get_running_loop().call_later(seconds, self._rested, owner)
            self._go_on()

    def _free(self, owner: Hashable) -> None:
        self._places += 1
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]

    def _rested(self, owner: Hashable) -> None:
        self._busy.discard(owner)
        self._let_in(owner)

    def _let_in(self, owner: Hashable) -> None:
        """Let the owner stand among those that take turns, if it waits for one; and begin what can begin."""
        if not self._lines.get(owner):
            self._lines.pop(owner, None)
            self._ring.pop(owner, None)
        elif owner not in self._busy:
            self._ring.setdefault(owner)
        self._go_on()

    def _go_on(self) -> None:
        while self._idle and self._ring:
            owner = next(iter(self._ring))
            del self._ring[owner]
            # One that was cancelled leaves when its task has its turn of the loop.
            turn = next((turn for turn in self._lines[owner] if not turn.done()), None)
            if turn is not None:
                self._lines[owner].remove(turn)
                self._busy.add(owner)
                self._idle -= 1
                turn.set_result(None)
