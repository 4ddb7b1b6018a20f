"""Connections that come and go leave nothing behind: on a server in this process, where everything can be counted.

`LIVESERVER_TEST_CONNECTIONS` sets how many there are of each kind; `waves.py` does the same to a server process.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest
import uvloop

from liveserver.realtime.transport.timer_wheel import wheel_of
from liveserver.settings import Settings
from tests.support.api.site import SETTINGS, SLUG, LiveSite, serving, settled
from tests.support.waves import KINDS, Kind, sockets, wave

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SERVERS = {
    "HttpProtocol",
    "ViewerProtocol",
    "WebSocketViewer",
    "DeflatedViewer",
    "EventStreamViewer",
    "HttpRequestParser",
}
"""The objects of a connection. Left in a circle, they and all they hold would wait for the garbage collector."""

TRACELESS = [kind for name, kind in KINDS.items() if not ({"unknown", "void", "page"} & {*name.split()})]
"""Those of which nobody else keeps anything: sqlite3 tidies up its cursors, and asyncio the timers that were cancelled,
only once there are many."""

HANDED_OVER = [kind for name, kind in KINDS.items() if name.startswith(("WebSocket,", "deflated", "SSE"))]

EACH = int(os.environ.get("LIVESERVER_TEST_CONNECTIONS", "180"))
AT_A_TIME = 20
ROUNDS = 3


class Held(NamedTuple):
    """The memory and objects that a server holds for its connections."""

    sockets: int
    tasks: int
    connections: int = 0
    requests: int = 0
    viewers: int = 0
    joining: int = 0
    pings: int = 0


def held(site: LiveSite) -> Held:
    """The figures now. The clients are in this process too, but have ended."""
    state, hub = site.server.server_state, site.parts.hub
    return Held(
        sockets("self"),
        len(asyncio.all_tasks()),
        len(state.connections),
        len(state.tasks),
        sum(channel.count for channel in hub.channels()),
        len(hub._joining),
        len(wheel_of(asyncio.get_running_loop())),
    )


def blocks() -> int:
    """How many pieces of memory Python's allocator has handed out."""
    gc.collect()
    return sys.getallocatedblocks()


def kept_in_circles() -> set[str]:
    """The types of what only the garbage collector found to be unused."""
    gc.collect()
    found = {type(thing).__qualname__ for thing in gc.garbage}
    gc.garbage.clear()
    return found


@pytest.mark.parametrize("new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.timeout(60 + EACH)
def test_connections_that_come_and_go_leave_nothing_behind(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    settings = Settings(**SETTINGS, log_level="error", database_url=f"sqlite:///{tmp_path}/live.db")

    async def main() -> None:
        async with serving(settings) as site:
            alone = held(site)
            assert alone == Held(alone.sockets, alone.tasks)

            async def at_rest() -> bool:
                return held(site)[1:] == alone[1:]

            async def waves(count: int, kinds: Sequence[Kind]) -> None:
                for _ in range(count):
                    assert await wave(site.port, SLUG, AT_A_TIME, kinds) == AT_A_TIME * len(kinds)
                await settled(at_rest)

            # The first fill what is filled once: caches, the database's connections.
            await waves(3, [*KINDS.values()])
            before, grown = held(site), []
            for _ in range(ROUNDS):
                used = blocks()
                await waves(EACH // ROUNDS // AT_A_TIME, TRACELESS)
                grown.append(blocks() - used)
            assert held(site) == before
            # A piece for each connection of one kind would be more, in every round but the first, which clears up.
            assert min(grown[1:]) < EACH / ROUNDS * 0.75, grown

            gc.set_debug(gc.DEBUG_SAVEALL)
            await waves(1, HANDED_OVER)
            assert kept_in_circles() & SERVERS == set()

    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(main())
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
