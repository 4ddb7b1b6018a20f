"""`liveserver reach`: who reads a live blog, in the terminal; and the link to the page that draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from liveserver.cli.terminal import tell_silence, tell_wait
from liveserver.client import Client
from liveserver.protocol.encoding import dumps
from liveserver.utils.text_table import aligned

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADS = ("", "viewers now", "peak", "views", "hours read")


async def link_to(url: str, key: str, slug: str, *, days: int) -> str:
    """The page's address, good for so many days."""
    async with Client(url, key, on_wait=tell_wait, on_silence=tell_silence) as client:
        link = await client.reach_link(slug, days=days)
    return str(link["url"])


async def show(url: str, key: str, slug: str, query: Mapping[str, str], *, as_json: bool) -> None:
    """A line for each partner, and under it one for each day."""
    async with Client(url, key, on_wait=tell_wait, on_silence=tell_silence) as client:
        found = await client.reach(slug, **query)
    if as_json:
        typer.echo(dumps(found).decode())
        return
    rows = [(f"{found['from']} to {found['to']}", *HEADS[1:])]
    for partner in found["partners"]:
        figures = (f"{partner['viewers']:,}", f"{partner['peak']:,}", f"{partner['views']:,}")
        rows.append((partner["partner"] or "no partner", *figures, f"{partner['seconds'] / 3600:,.1f}"))
        rows += [
            (f"  {day['date']}", "", f"{day['peak']:,}", f"{day['views']:,}", f"{day['seconds'] / 3600:,.1f}")
            for day in partner["days"]
        ]
    for line in aligned(rows, figures=True):
        typer.echo(line)
