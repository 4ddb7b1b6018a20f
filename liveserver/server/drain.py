"""Taking leave of the viewers before the process ends.

All at once they would be a stampede on the nodes that remain. So each is told a moment of its own, gets what is
published until then, and is let go at that moment: one that comes back at once meets few others, and one that heeds
nothing of what it is told does too.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from liveserver.protocol import close_codes, messages
from liveserver.protocol.frames import Frame

if TYPE_CHECKING:
    from liveserver.realtime.hub import Hub
    from liveserver.realtime.viewer import Viewer

SLOTS = 1_000
"""Different moments; more viewers than that share them."""

PATIENCE = 1.0
"""Seconds for what was on its way when the end began, and for connections to end that were let go last."""


def timetable(count: int, window: float) -> list[int]:
    """When so many viewers leave, in milliseconds from now: evenly spread over `window` seconds, ascending."""
    slots = min(count, SLOTS)
    moments = [round(1000 * window * (slot + random.uniform(0.25, 0.75)) / slots) for slot in range(slots)]
    return [moments[number * slots // count] for number in range(count)]


async def farewell(hub: Hub, window: float) -> None:
    """Take no more viewers, and send off those that are there within `window` seconds.

    Returns when all have gone; a second after the window at the latest, when only those are left who don't read.
    """
    hub.begin_draining()
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            await hub.flushed()
    viewers = hub.viewers()
    random.shuffle(viewers)
    turns: dict[int, list[Viewer]] = {}
    for moment, viewer in zip(timetable(len(viewers), window), viewers, strict=True):
        turns.setdefault(moment, []).append(viewer)
    seeing_off = asyncio.create_task(_see_off(turns))
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(window + PATIENCE):
                await hub.deserted()
    finally:
        seeing_off.cancel()
        await asyncio.wait([seeing_off])
    hub.announce()


async def _see_off(turns: dict[int, list[Viewer]]) -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    for moment, viewers in turns.items():
        frame = Frame(messages.reconnect(moment))
        for viewer in viewers:
            # Who lags is let go without having been told.
            viewer.write(frame)
        await asyncio.sleep(0)
    for moment, viewers in turns.items():
        await asyncio.sleep(began + moment / 1000 - clock())
        for viewer in viewers:
            viewer.close(close_codes.CLOSE_RESTART)
