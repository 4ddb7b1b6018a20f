"""The work of `liveserver bench`: it checks the operator's request, asks for confirmation, runs the benchmark, writes
the result to files and prints it."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.measuring import plot, report
from liveserver.cli.bench.measuring.meter import Meter
from liveserver.cli.bench.plan import shares
from liveserver.cli.bench.progress import progress_for
from liveserver.cli.bench.publisher import TITLE, Publisher
from liveserver.cli.bench.run import Run
from liveserver.cli.bench.target import Target
from liveserver.cli.bench.viewers.handshake import Opening, Transport
from liveserver.cli.interruption import INTERRUPTED
from liveserver.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from liveserver.cli.bench.measuring.result import Result
    from liveserver.cli.bench.plan import Plan


@dataclass(frozen=True)
class Request:
    """The operator's request for a benchmark."""

    url: str
    plan: Plan
    slug: str | None = None
    key: str | None = None
    sure: bool = False
    """True if the operator has already agreed that entries will be published into the live blog `slug`."""
    keep: bool = False
    """True if the published entries stay in the live blog; False to delete them at the end."""
    pids: tuple[int, ...] = ()
    """The ids of server processes on this machine. The processor time and memory of these processes, and of their
    descendants, are measured."""
    json: Path | None = None
    html: Path | None = None
    svg: Path | None = None


def bench(request: Request, confirm: Callable[[str], bool]) -> int:
    """Run a benchmark, and return the exit status of the command.

    The exit status is 0 if the result's `ok` is true, 1 if it is false, and `INTERRUPTED` if Ctrl+C ended the run.
    `confirm`: asks the operator a question, and returns True for yes. Raises Refused if the benchmark can't be
    started or continued, or if `confirm` returns False. Raises ClientError if a request fails before the run begins.
    """
    request.plan.check()
    for path in (request.json, request.html, request.svg):
        if path is not None and not path.parent.is_dir():
            raise Refused(f"there is no directory {path.parent}")
    result = asyncio.run(_bench(request, confirm))
    _write(request, result)
    _show(result)
    if result.interrupted:
        return INTERRUPTED
    return 0 if result.ok else 1


async def _bench(request: Request, confirm: Callable[[str], bool]) -> Result:
    plan = request.plan
    if plan.rate and request.key is None:
        raise Refused(
            "publishing needs an API key: --key or LIVESERVER_KEY (made by `liveserver keys create`); "
            "--rate 0 only watches"
        )
    if not plan.rate and request.slug is None:
        raise Refused("which live blog is to be watched? --slug names it")
    target = await Target.find(request.url)
    shares(plan, target.address[0])
    meter = Meter(request.pids) if request.pids else None
    run_id = secrets.token_hex(4)
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(request.url, request.key if plan.rate else None))
        slug = request.slug or await Publisher.own_liveblog(client)
        liveblog = await client.liveblog(slug)
        newsroom = None
        if plan.rate:
            newsroom = Publisher(client, slug, run=run_id, size=plan.size)
            question = f"Publish {plan.entries:,} benchmark entries into “{liveblog['title']}” ({liveblog['status']})?"
            if liveblog["title"] != TITLE and not request.sure and not confirm(question):
                raise Refused(
                    f"nothing was published into “{liveblog['title']}”: --yes says that it is meant, --rate 0 only "
                    "watches, and without --slug there is a live blog for benchmarks"
                )
            await newsroom.rehearse()

        async def present() -> int:
            return int((await client.snapshot(slug, limit=1))["seq"])

        path = f"{target.prefix}/api/v1/liveblogs/{quote(slug)}/"
        path += "ws" if plan.transport is Transport.WS else "events"
        with progress_for(plan, publisher=bool(plan.rate)) as progress:
            run = Run(
                plan,
                target,
                Opening(plan.transport, target.authority, path, plan.deflate),
                run=run_id,
                slug=slug,
                source=newsroom,
                present=present,
                meter=meter,
                show=progress.show,
            )
            _end_on_interrupt(run)
            try:
                return await run()
            finally:
                if newsroom is not None and not request.keep:
                    await _clean_up(newsroom)


def _end_on_interrupt(run: Run) -> None:
    """Set a signal handler: the first Ctrl+C ends the run early, the second Ctrl+C ends the process at once."""
    former_handler = signal.getsignal(signal.SIGINT)

    def end() -> None:
        run.stop.set()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, former_handler)

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, end)


async def _clean_up(newsroom: Publisher) -> None:
    remaining = await newsroom.clean_up()
    if remaining:
        ids = ", ".join(remaining[:10]) + (" …" if len(remaining) > 10 else "")
        sys.stderr.write(f"liveserver: {len(remaining)} entries could not be deleted from {newsroom.slug}: {ids}\n")


def _write(request: Request, result: Result) -> None:
    if request.json is not None:
        request.json.write_bytes(orjson.dumps(report.as_json(result), option=orjson.OPT_INDENT_2) + b"\n")
    if request.html is not None:
        request.html.write_text(plot.as_html(result), encoding="utf-8")
    if request.svg is not None:
        request.svg.write_text(plot.as_svg(result), encoding="utf-8")


def _show(result: Result) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    for name, value in report.as_rows(result):
        table.add_row(Text(name, style="bold"), Text(value))
    console.print(table)
    for note in report.notes(result):
        console.print(f"! {note}", markup=False)
