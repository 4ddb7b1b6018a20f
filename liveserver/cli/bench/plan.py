"""The plan of a benchmark (number of viewers, rate, duration), its limits, and how processes share the viewers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from liveserver.cli.bench import machine_limits
from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.viewers.handshake import Transport

VIEWERS_MAX = 100_000
RATE_MAX = 100.0
DURATION_MAX = 3600.0
RAMP_MAX = 3600.0
PROCESSES_MAX = 64
SIZE_MIN, SIZE_MAX = 200, 50_000

PER_PROCESS = 10_000
"""The number of viewers for which one process is started, if the operator doesn't set the number of processes. On a
machine with few processors, each process gets more viewers, as more processes than processors would be no faster."""


@dataclass(frozen=True)
class Plan:
    """The plan of a benchmark. Times are in seconds."""

    viewers: int
    transport: Transport = Transport.WS
    deflate: bool = True
    rate: float = 2.0
    """Entries to publish in each second. 0: publish nothing, and count only the changes that other programs publish."""
    duration: float = 30.0
    ramp: float = 0.0
    """The seconds over which the first connections of all viewers are spread evenly. 0: the viewers connect as fast as
    the server accepts them."""
    processes: int = 0
    """The number of worker processes, which run the viewers. 0: `shares` chooses the number."""
    size: int = 400
    """About how many bytes the text of an entry has."""

    @property
    def entries(self) -> int:
        """The number of entries to publish."""
        return round(self.rate * self.duration)

    def check(self) -> None:
        """Raise Refused if a value is out of bounds. Raise Refused, too, if the rate is above 0, but so low that no
        entry would be published."""
        bounds: list[tuple[str, float, float, float]] = [
            ("--viewers", self.viewers, 1, VIEWERS_MAX),
            ("--rate", self.rate, 0, RATE_MAX),
            ("--duration", self.duration, 1, DURATION_MAX),
            ("--ramp", self.ramp, 0, RAMP_MAX),
            ("--processes", self.processes, 0, PROCESSES_MAX),
            ("--size", self.size, SIZE_MIN, SIZE_MAX),
        ]
        for name, value, low, high in bounds:
            if not low <= value <= high:
                raise Refused(f"{name} must be from {low:g} to {high:g}, not {value:g}")
        if self.rate and not self.entries:
            raise Refused(f"nothing would be published at {self.rate:g} a second in {self.duration:g} s")


def shares(plan: Plan, address: str) -> list[range]:
    """Divide the viewers among worker processes. Return one range of viewers' numbers for each process.

    This function also increases the current process's limit of open files as far as possible. `address`: the server's
    IP address. Raises Refused if this machine has too few outgoing ports for the viewers, or if the limit of open files
    is too low for so many viewers.
    """
    room = machine_limits.raise_open_files()
    if not machine_limits.has_many_sources(address) and plan.viewers > machine_limits.outgoing_ports():
        raise Refused(
            f"this machine can open {machine_limits.outgoing_ports():,} connections to one port of {address}, one from "
            f"each outgoing port, not {plan.viewers:,}: run bench on several machines"
        )
    preferred = ceil(plan.viewers / min(PER_PROCESS, max(room, 1)))
    needed = ceil(plan.viewers / max(room, 1))
    processes = plan.processes or min(max(needed, min(preferred, os.cpu_count() or 1)), PROCESSES_MAX)
    if plan.viewers > processes * room:
        raise Refused(
            f"{processes * room:,} viewers fit into {processes} process{'es' if processes > 1 else ''} under the limit "
            f"of open files, not {plan.viewers:,}: take --processes {needed}, or raise the limit (ulimit -Hn)"
            if needed <= PROCESSES_MAX
            else f"{PROCESSES_MAX * room:,} viewers fit under the limit of open files, not {plan.viewers:,}: "
            "raise it (ulimit -Hn)"
        )
    edges = [plan.viewers * number // processes for number in range(processes + 1)]
    return [range(first, last) for first, last in pairwise(edges) if last > first]
