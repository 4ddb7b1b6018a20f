"""A probe as an orchestrator has it: `/healthz` is green while the process runs, and `/readyz` tells the truth."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import httpx2

from tests.faults.desk import GRACE
from tests.faults.reading import Broken

if TYPE_CHECKING:
    from tests.faults.setups import Node, Setup
    from tests.faults.totals import Totals

HEALTH_BOUND = 3.0
READY_BOUND = 20.0
INTERVAL = 0.3


async def watch_health(setup: Setup, node: Node, totals: Totals) -> None:
    """Ask for ever whether the process works. Raises Broken when it isn't told so in time."""
    async with httpx2.AsyncClient(timeout=HEALTH_BOUND) as http:
        while True:
            begun = time.monotonic()
            try:
                async with http.stream("GET", f"{node.url}/healthz", headers={"Connection": "close"}) as response:
                    good = response.status_code == 200
            except httpx2.TransportError:
                good = False
            if good:
                totals.answer["healthz"].add(time.monotonic() - begun)
            elif not setup.calendar.touched(node.name, begun - 0.1):
                raise Broken("unhealthy", f"{node.name} runs, and /healthz says otherwise")
            await asyncio.sleep(INTERVAL)


async def watch_readiness(setup: Setup, node: Node) -> None:
    """Ask for ever whether one could publish. Raises Broken when the answer isn't the truth."""
    calendar = setup.calendar
    async with httpx2.AsyncClient(timeout=READY_BOUND) as http:
        while True:
            begun = time.monotonic()
            try:
                response = await http.get(f"{node.url}/readyz", headers={"Connection": "close"})
                status = response.status_code
            except httpx2.TransportError:
                status = 0
            gone = any(calendar.throughout(part, begun) for part in ("store gone", f"store of {node.name} gone"))
            gone |= knows_that_the_disk_is_full(setup, node, begun)
            shaken = any(calendar.touched(part, begun - GRACE) for part in ("store", node.name))
            if gone and status == 200:
                raise Broken("untrue", f"{node.name} says it is ready while its store is away")
            if not shaken and status != 200:
                raise Broken("untrue", f"{node.name} says {status} on /readyz, and nothing is out of order")
            await asyncio.sleep(INTERVAL)


def knows_that_the_disk_is_full(setup: Setup, node: Node, since: float) -> bool:
    """Whether the node has failed to write for want of room, before then, and there is none still."""
    full_since = setup.calendar.begun("disk")
    return (
        full_since is not None
        and full_since < node.refused_at < since
        and not setup.calendar.touched(node.name, full_since)
    )
