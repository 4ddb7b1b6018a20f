"""The command line: one row of a table for each attack."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
from pathlib import Path

import tests.hostile as harness
from tests.faults.setups import a_directory
from tests.hostile.attacks import ATTACKS
from tests.hostile.measuring import Row, measure
from tests.hostile.setups import SETUPS

VIEWERS = 500
SEVERAL = 4
"""Attacks at once, of kinds that have nothing to do with each other."""
TOGETHER = "all at once"
"""More than anybody brings, from 128 addresses: what must hold is everything but the clock. Newcomers then wait in the
kernel until it is their turn to be accepted."""
CONTROL = "nobody"

HEAD = (
    "attack",
    "healthz ms",
    "answers",
    "page ms",
    "published",
    "answer ms",
    "deliveries",
    "lost",
    "twice",
    "cut",
    "latest ms",
    "MB",
    "kept",
)


def cells(row: Row) -> list[str]:
    """A row of the table."""
    return [
        row.attack,
        f"{row.healthz_worst * 1000:,.0f}",
        f"{row.healthz_asked:,}" + (f" − {len(row.healthz_failed):,}" if row.healthz_failed else ""),
        f"{row.page_worst * 1000:,.0f}" + (f" − {len(row.page_failed):,}" if row.page_failed else ""),
        f"{row.published:,}" + (f" − {sum(row.unpublished.values()):,}" if row.unpublished else ""),
        f"{row.answer_worst * 1000:,.0f}",
        f"{row.deliveries:,}",
        f"{row.lost:,}",
        f"{row.doubled:,}",
        f"{row.cut + row.unconnected:,}",
        f"{row.latest * 1000:,.0f}",
        f"{row.memory / 1e6:+,.0f}",
        "yes" if not row.broken + row.late else "**no**",
    ]


def line(values: list[str] | tuple[str, ...]) -> str:
    """Of a Markdown table."""
    return f"| {' | '.join(values)} |"


def groups(names: list[str]) -> list[tuple[str, list[str]]]:
    """Each of them once, several at a time, and what that is called: those of one kind stand next to each other."""
    number = math.ceil(len(names) / SEVERAL)
    return [(" + ".join(names[first::number]), names[first::number]) for first in range(number)]


async def run(arguments: argparse.Namespace) -> list[Row]:
    """Every attack by itself, each on a server of its own, then several at once, then all; first of all none."""
    names = arguments.attack or list(ATTACKS)
    rounds: list[tuple[str, list[str]]] = []
    if not (arguments.together or arguments.several):
        rounds += [(name, [name]) for name in names]
    if arguments.several or (len(names) > SEVERAL and not arguments.together):
        rounds += groups(names)
    if len(names) > 1 and not arguments.several:
        rounds.append((TOGETHER, names))
    rows = []
    print(line(HEAD))
    print(line(["---"] + ["---:"] * (len(HEAD) - 2) + ["---"]), flush=True)
    for name, attacks in [(CONTROL, []), *rounds]:
        with a_directory() as directory:
            async with SETUPS[arguments.setup](directory) as setup:
                seconds = arguments.seconds
                row = await measure(setup, attacks, name=name, seconds=seconds, viewers=arguments.viewers)
        rows.append(row)
        print(line(cells(row)), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=harness.__doc__)
    parser.add_argument("--setup", choices=list(SETUPS), default="alone")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack")
    parser.add_argument("--attack", action="append", choices=list(ATTACKS), metavar="NAME", help="of these only")
    parser.add_argument("--together", action="store_true", help="all at once only")
    parser.add_argument("--several", action="store_true", help=f"{SEVERAL} at once only")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was seen there")
    arguments = parser.parse_args()
    print(f"{arguments.setup}: {arguments.viewers} viewers, 5 entries a second, {arguments.seconds:g} s each\n")
    rows = asyncio.run(run(arguments))
    print()
    for row in rows:
        for problem in row.broken + row.late:
            print(f"{row.attack}: {problem[:300]}")
    sys.exit(1 if any(row.broken or (row.late and row.attack != TOGETHER) for row in rows) else 0)
