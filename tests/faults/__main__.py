"""`python -m tests.faults --seed N --seconds S --setup embedded|cluster`"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.reading import Broken
from tests.faults.run import LIMIT, Run
from tests.faults.setups import Setup, a_directory, cluster, embedded
from tests.support.services import initialise_cluster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def setup(name: str, directory: Path) -> AsyncIterator[Setup]:
    """The setup of that name, in that directory."""
    if name == "embedded":
        async with embedded(directory) as found:
            yield found
    else:
        blank = directory / "cluster"
        initialise_cluster(blank)
        async with cluster(directory, blank) as found:
            yield found


async def run(arguments: argparse.Namespace, directory: Path) -> bool:
    """Run, and print what came of it; whether all promises were kept."""
    async with setup(arguments.setup, directory) as found:
        work = Run(found, arguments.seed, only=frozenset(arguments.only) or None, limit=arguments.limit)
        broken: Broken | None = None
        try:
            await work.rounds(arguments.seconds, first=arguments.round)
        except Broken as error:
            broken = error
            print("\n".join(work.story[-60:]))
            for node in found.nodes:
                print(f"\n{node.name}:\n{node.stderr[-3000:]}")
        print(work.totals.as_table())
        if arguments.json:
            arguments.json.write_text(json.dumps(work.totals.as_json(), indent=1) + "\n")
        if broken is not None:
            again = f"python -m tests.faults --setup {arguments.setup} --seed {arguments.seed}"
            print(f"\nBROKEN: {broken}\nAgain: {again} --round {arguments.round + work.totals.rounds}")
        return broken is None


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--setup", choices=["embedded", "cluster"], default="embedded")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what chance begins from")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--round", type=int, default=0, help="the round to begin with: each is drawn by itself")
    parser.add_argument("--only", action="append", default=[], metavar="FAULT", help="choose from these faults")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds after which everybody must be complete")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the totals there too")
    arguments = parser.parse_args()
    print(f"{arguments.setup}, seed {arguments.seed}", flush=True)
    with a_directory() as directory:
        kept = asyncio.run(run(arguments, directory))
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
