"""`liveserver reach`: prints the reach of a live blog by partner and day, or a link to a page with plots."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from liveserver.cli.options import ServerKey, ServerUrl, required_key
from liveserver.cli.server_client import client_of
from liveserver.cli.terminal import print_table
from liveserver.domain.audience import LINK_DAYS_MAX
from liveserver.protocol.json_encoding import dumps

if TYPE_CHECKING:
    from collections.abc import Mapping


HEADS = ("", "viewers now", "peak", "views", "hours read")


def reach(
    slug: Annotated[str, typer.Argument(help="The live blog")],
    since: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The last day")] = None,
    partner: Annotated[str | None, typer.Option(help="Of this partner only")] = None,
    link: Annotated[bool, typer.Option("--link", help="Print a link to a page with plots instead")] = False,
    days: Annotated[int, typer.Option(min=1, max=LINK_DAYS_MAX, help="For how long that link is good")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer")] = False,
    url: ServerUrl = "http://localhost:8000",
    key: ServerKey = None,
) -> None:
    """Show how many viewers a live blog has now, and had on each day."""
    key = required_key(key)
    if link:
        typer.echo(asyncio.run(link_to(url, key, slug, days=days)))
        return
    parameters = {"from": since, "to": until, "partner": partner}
    query = {name: value for name, value in parameters.items() if value is not None}
    asyncio.run(show(url, key, slug, query, as_json=as_json))


async def link_to(url: str, key: str, slug: str, *, days: int) -> str:
    """Ask the server at `url` for a new link to the page with plots of a live blog's reach, and return the link.

    `key`: the API key for the request. `days`: for how many days the link is valid.
    """
    async with client_of(url, key) as client:
        link = await client.reach_link(slug, days=days)
    return str(link["url"])


async def show(url: str, key: str, slug: str, query: Mapping[str, str], *, as_json: bool) -> None:
    """Print a live blog's reach as a table: for each partner a line with its totals, then a line for each day.

    `query`: the parameters of the API's request. `as_json`: True to print the API's answer as JSON instead.
    """
    async with client_of(url, key) as client:
        report = await client.reach(slug, **query)
    if as_json:
        typer.echo(dumps(report).decode())
        return
    rows = [(f"{report['from']} to {report['to']}", *HEADS[1:])]
    for partner in report["partners"]:
        figures = (f"{partner['viewers']:,}", f"{partner['peak']:,}", f"{partner['views']:,}")
        rows.append((partner["partner"] or "no partner", *figures, f"{partner['seconds'] / 3600:,.1f}"))
        rows += [
            (f"  {day['date']}", "", f"{day['peak']:,}", f"{day['views']:,}", f"{day['seconds'] / 3600:,.1f}")
            for day in partner["days"]
        ]
    print_table(rows, figures=True)
