"""The drain: viewers leave one by one before the process ends.

If all viewers left at once, all would connect to the remaining nodes at once. So the server chooses a moment for each
viewer, and announces it to the viewer in advance. The viewer gets all changes until this moment, and then its
connection is closed. So only few viewers connect again at the same time, even if they ignore the announcement.
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
"""The greatest number of different moments at which viewers leave. With more viewers, several leave together."""

PATIENCE = 1.0
"""The greatest number of seconds for which the drain waits, at its beginning, for queued messages to be written.

At its end, the drain waits for at most as many seconds for the closed connections to end."""


def timetable(count: int, window: float) -> list[int]:
    """Return the moment at which each of `count` viewers leaves, in milliseconds from now, in ascending order.

    All moments are within `window` seconds.
    """
    slots = min(count, SLOTS)
    moments = [round(1000 * window * (slot + random.uniform(0.25, 0.75)) / slots) for slot in range(slots)]
    return [moments[number * slots // count] for number in range(count)]


async def farewell(hub: Hub, window: float) -> None:
    """Accept no more viewers, and close the connected viewers one by one within `window` seconds.

    The window begins when queued messages have been written, after at most `PATIENCE` seconds. Returns when all viewers
    have gone, but at the latest `PATIENCE` seconds after the window. Viewers that don't read what they were sent may
    still be connected then.
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
    closing = asyncio.create_task(_close_in_turn(turns))
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(window + PATIENCE):
                await hub.deserted()
    finally:
        closing.cancel()
        await asyncio.wait([closing])
    hub.announce()


async def _close_in_turn(turns: dict[int, list[Viewer]]) -> None:
    clock = asyncio.get_running_loop().time
    start = clock()
    for moment, viewers in turns.items():
        frame = Frame(messages.reconnect(moment))
        for viewer in viewers:
            # A lagging viewer doesn't get this message, but is closed, too.
            viewer.write(frame)
        await asyncio.sleep(0)
    for moment, viewers in turns.items():
        await asyncio.sleep(start + moment / 1000 - clock())
        for viewer in viewers:
            viewer.close(close_codes.CLOSE_RESTART)
