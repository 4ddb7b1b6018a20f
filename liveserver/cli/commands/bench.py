"""`liveserver bench`: measures how long entries take to reach many viewers of the operator's own server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from liveserver.cli.bench.viewers.handshake import Transport
from liveserver.cli.options import ServerKey
from liveserver.cli.terminal import fail
from liveserver.settings import key_of


def bench(
    context: typer.Context,
    url: Annotated[str, typer.Option(help="The server: your own, as this is a burden on it")],
    slug: Annotated[
        str | None, typer.Option(help="The live blog; without it, one made for benchmarks is used or made")
    ] = None,
    key: ServerKey = None,
    viewers: Annotated[int, typer.Option("--viewers", "-n", help="Connections to hold, up to 100,000")] = 100,
    transport: Annotated[Transport, typer.Option(help="How they follow")] = Transport.WS,
    deflate: Annotated[bool, typer.Option(help="Offer permessage-deflate, as browsers do")] = True,
    rate: Annotated[float, typer.Option(help="Entries to publish a second, up to 100; 0 only watches")] = 2.0,
    duration: Annotated[float, typer.Option(help="Seconds to publish, up to 3600")] = 30.0,
    ramp: Annotated[float, typer.Option(help="Seconds over which viewers connect; 0: as fast as may be")] = 0.0,
    processes: Annotated[int, typer.Option(help="Processes that hold viewers; 0: as many as needed")] = 0,
    size: Annotated[int, typer.Option(help="Bytes of an entry's text")] = 400,
    pid: Annotated[
        list[int] | None, typer.Option(help="A process of the server on this machine, to be measured; may be repeated")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Don't delete the entries afterwards")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Publish into the live blog of --slug without asking")] = False,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file")] = None,
    as_html: Annotated[Path | None, typer.Option("--html", help="Write figures and plot to this page")] = None,
    as_svg: Annotated[Path | None, typer.Option("--svg", help="Write the plot to this picture")] = None,
) -> None:
    """Connect viewers to a server of yours, publish entries, and measure how soon the viewers get them."""
    from liveserver.cli.bench.command import Request
    from liveserver.cli.bench.command import bench as run
    from liveserver.cli.bench.errors import Refused
    from liveserver.cli.bench.plan import Plan

    # A key on the command line says that publishing is meant. A key in the environment may be there for other commands.
    source = context.get_parameter_source("key")
    key_given = source is not None and source.name == "COMMANDLINE"
    request = Request(
        url=url,
        plan=Plan(viewers, transport, deflate, rate, duration, ramp, processes, size),
        slug=slug,
        key=key_of(key),
        sure=yes or key_given,
        keep=keep,
        pids=tuple(pid or ()),
        json=as_json,
        html=as_html,
        svg=as_svg,
    )
    try:
        status = run(request, lambda question: sys.stdin.isatty() and typer.confirm(question, err=True))
    except Refused as error:
        fail(str(error), 2)
    raise typer.Exit(status)
