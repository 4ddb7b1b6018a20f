"""`python -m benchmarks`: measure each server in turn, in several rounds, and write the comparison to files."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shlex
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from benchmarks import contestants, machine, report
from benchmarks.comparison import Comparison, Entrant, Figures
from benchmarks.contestants import CONTESTS, WS, Contestant, Discipline, Floor, Liveserver, Nchan, NotInstalled
from benchmarks.message import Template
from liveserver.cli.bench import machine_limits
from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.measuring.meter import Meter
from liveserver.cli.bench.plan import Plan
from liveserver.cli.bench.run import Run, Source
from liveserver.cli.bench.target import Target
from liveserver.domain.errors import LiveserverError

if TYPE_CHECKING:
    from liveserver.cli.bench.measuring.result import Result

RATE = 10.0
ALONE = 20
"""The number of messages that are published, and measured, before any viewer is connected."""


class Failed(Exception):
    """A run failed, and its figures don't count: not every message came to every viewer exactly once."""


def main() -> int:
    """Read the options, measure, and write the comparison. Returns the exit status: 0 if every run succeeded."""
    options = _options()
    plan = Plan(options.viewers, rate=RATE, duration=options.publishes / RATE, processes=options.processes)
    if options.nchan_module:
        Nchan.module = options.nchan_module
    machine_limits.raise_open_files()
    try:
        plan.check()
        comparison = asyncio.run(_compare(plan, options.rounds, options.only))
    except (Refused, NotInstalled) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        return 130
    options.out.mkdir(parents=True, exist_ok=True)
    table = report.as_markdown(comparison)
    (options.out / "table.md").write_text(table)
    (options.out / "ratios.svg").write_text(report.as_svg(comparison))
    (options.out / "comparison.json").write_bytes(orjson.dumps(comparison.as_json(), option=orjson.OPT_INDENT_2))
    print(table)
    print(f"In {options.out}: table.md, comparison.json, ratios.svg", file=sys.stderr)
    return 1 if comparison.failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="1…20")
    parser.add_argument("--viewers", type=int, default=5000)
    parser.add_argument("--publishes", type=int, default=50, help="messages in each run, ten a second; at least ten")
    parser.add_argument("--processes", type=int, default=0, help="that hold viewers; 0: as many as needed")
    parser.add_argument("--only", default="", help="servers whose name has this in it, and the floor")
    parser.add_argument("--nchan-module", type=Path, help="ngx_nchan_module.so, if it isn't where it is looked for")
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    return parser.parse_args()


async def _compare(plan: Plan, rounds: int, only: str) -> Comparison:
    comparison = Comparison(
        command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        machine=machine.describe(),
        viewers=plan.viewers,
        publishes=plan.entries,
        rate=plan.rate,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    taking_part: list[tuple[Discipline, type[Contestant], Entrant]] = []
    for discipline, kinds in CONTESTS:
        for kind in kinds:
            if kind is not Floor and only.lower() not in kind.name.lower():
                continue
            entrant = Entrant(discipline.name, kind.name, "", is_floor=kind is Floor)
            try:
                entrant.version = kind.check()
            except NotInstalled as error:
                entrant.missing = str(error)
            comparison.entrants.append(entrant)
            taking_part.append((discipline, kind, entrant))
    with tempfile.TemporaryDirectory(prefix="liveserver-benchmarks-") as folder:
        directory = Path(folder)
        if not any(entrant.missing for _, kind, entrant in taking_part if kind is Floor):
            Floor.compile(directory)
        template = await _take_template(directory)
        for number in range(1, rounds + 1):
            for place, (discipline, kind, entrant) in enumerate(taking_part):
                if entrant.missing:
                    continue
                server = kind(discipline, directory / f"{number}-{place}", template)
                _say(f"round {number} of {rounds}: {entrant.name}, {discipline.name}")
                try:
                    figures = await _run(server, plan)
                except (Failed, LiveserverError) as error:
                    entrant.failures.append(f"round {number}: {error}")
                    entrant.rounds.append(None)
                    _say(f"  failed: {error}")
                else:
                    entrant.rounds.append(figures)
                    _say(f"  {figures.delivery_us:.2f} µs a delivery, {figures.connect_us:.0f} µs a connection")
    return comparison


async def _take_template(directory: Path) -> Template:
    """Start a liveserver, and return one of its messages as the template of the messages that all servers send."""
    async with Liveserver(WS, directory / "template", Template(b"")) as server:
        return await Template.take(await server.client(), contestants.SLUG, server.url, contestants.ENTRY_BYTES)


async def _run(server: Contestant, plan: Plan) -> Figures:
    """Start a server, measure it, stop it, and return the figures.

    Raises Failed unless every message came to every viewer exactly once.
    """
    run_id = secrets.token_hex(4)
    async with server:
        meter = Meter([server.pid])
        publish_us = await _publish_to_nobody(await server.source(run_id), meter)
        source = await server.source(run_id)
        target = await Target.find(server.url)
        measures = Plan(
            plan.viewers,
            server.discipline.transport,
            server.discipline.deflate,
            plan.rate,
            plan.duration,
            processes=plan.processes,
        )
        run = Run(
            measures,
            target,
            server.opening,
            run=run_id,
            source=source,
            meter=meter,
            greeted=server.greeted,
        )
        return _figures(await run(), publish_us)


async def _publish_to_nobody(source: Source, meter: Meter) -> float:
    """Return the server's processor time for publishing a message while no viewer is connected, in microseconds.

    This also warms up the server and the publisher.
    """
    await source.publish(0)
    before = meter.cpu()
    for number in range(ALONE):
        await source.publish(number)
    return (meter.cpu() - before) / ALONE * 1e6


def _figures(result: Result, publish_us: float) -> Figures:
    counted, usage = result.measurements, result.usage
    if not result.ok:
        reasons = {**counted.errors, **result.publish_errors}
        raise Failed(
            f"{counted.opened} of {result.plan.viewers} connected, {counted.delivered} of {result.expected} delivered, "
            f"{counted.lost} lost, {counted.duplicated} duplicated ({', '.join(reasons) or 'no other complaint'})"
        )
    wanted = result.plan.viewers * result.plan.entries
    if counted.delivered != wanted or usage is None or usage.delivery_us is None:
        raise Failed(f"{counted.delivered} deliveries, not {wanted}")
    p50, p99 = result.latency.percentile(50), result.latency.percentile(99)
    assert p50 is not None
    assert p99 is not None
    return Figures(
        delivery_us=usage.delivery_us,
        publish_us=publish_us,
        connect_us=usage.connect_us,
        viewer_bytes=usage.viewer_bytes,
        delivery_bytes=result.received / counted.delivered,
        p50_ms=p50 * 1e3,
        p99_ms=p99 * 1e3,
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
