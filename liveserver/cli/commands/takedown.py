"""`liveserver takedown`: deletes an entry, and shows in the terminal how many viewers have confirmed the deletion."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from liveserver.cli.options import ServerKey, ServerUrl, required_key
from liveserver.cli.server_client import client_of
from liveserver.cli.terminal import fail
from liveserver.domain.ids import ID_PATTERN
from liveserver.protocol.json_encoding import dumps

if TYPE_CHECKING:
    from liveserver.client import Client, Message


INTERVAL = 0.5
"""Seconds between two requests to the server for the counts of confirmations."""
MIN_SECONDS = 2.0
"""The least number of seconds for which the command shows counts, even if no confirmation is missing. In this time, the
counts may be too low: some nodes may not have reported yet how many of their viewers still have to confirm."""


def takedown(
    slug: Annotated[str, typer.Argument(help="The live blog")],
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="The entry's id, or its permalink")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures in the end, as JSON")] = False,
    url: ServerUrl = "http://localhost:8000",
    key: ServerKey = None,
) -> None:
    """Delete an entry, and show live how many viewers have confirmed that it is gone."""
    key = required_key(key)
    bare_id = entry_id.rstrip("/").rpartition("/")[2]
    if not re.fullmatch(ID_PATTERN, bare_id):
        fail(f"{entry_id} is neither an entry's id nor its permalink, …/live/{slug}/entries/ID", 2)
    raise typer.Exit(asyncio.run(watch(url, key, slug, bare_id, as_json=as_json)))


async def watch(url: str, key: str, slug: str, entry_id: str, *, as_json: bool) -> int:
    """Delete an entry. Show the counts of confirmations until each viewer has confirmed or left, or the takedown ends.

    Returns the exit status of the command: 1 if some viewers may still show the entry, otherwise 0.
    """
    clock = asyncio.get_running_loop().time
    async with client_of(url, key) as client:
        outcome, counts_now = await _delete(client, slug, entry_id)
        typer.echo(outcome, err=as_json)
        if counts_now is None:
            return 0
        start, last = clock(), ""
        while True:
            if (line := figures(counts_now)) != last:
                _show(line, again=bool(last), err=as_json)
                last = line
            if counts_now["ended_at"] is not None or (counts_now["waiting"] == 0 and clock() - start >= MIN_SECONDS):
                break
            await asyncio.sleep(INTERVAL)
            counts_now = await client.takedown(slug, entry_id)
    if as_json:
        typer.echo(dumps(counts_now).decode())
        return 1 if counts_now["waiting"] else 0
    for partner, partner_counts in counts_now["by_partner"].items():
        if partner:
            typer.echo(f"  {partner}: {figures(partner_counts)}")
    if counts_now["waiting"]:
        typer.echo(f"{counts_now['waiting']} haven’t answered, and may still show it.")
        return 1
    typer.echo("Nobody who was asked still shows it.")
    return 0


async def _delete(client: Client, slug: str, entry_id: str) -> tuple[str, Message | None]:
    """Delete an entry. Return the text to print about the deletion, and the present counts of confirmations.

    In place of the counts, returns None if no viewer is asked to confirm the deletion.
    """
    from liveserver.client import ClientError

    try:
        counts = await client.take_down(slug, entry_id, again=False)
    except ClientError as error:
        if error.status != 410:
            raise
    else:
        return "Deleted." if counts else "Deleted. No reader ever saw it.", counts
    try:
        return "It had been deleted already.", await client.takedown(slug, entry_id)
    except ClientError as error:
        if error.status != 404:
            raise
    return "It had been deleted already. Readers weren’t asked to confirm that.", None


def figures(counts: Message) -> str:
    """Return the counts of confirmations as a text: `12 asked, 9 confirmed (7 had it), 1 left, 2 waited for`."""
    return (
        f"{counts['asked']} asked, {counts['confirmed']} confirmed ({counts['had']} had it), "
        f"{counts['gone']} left, {counts['waiting']} waited for"
    )


def _show(line: str, *, again: bool, err: bool) -> None:
    """Print a line. `err`: True for standard error, False for standard output.

    `again`: True to replace the line that was printed before, if the output is a terminal.
    """
    over = "\x1b[1A\x1b[2K" if again and (sys.stderr if err else sys.stdout).isatty() else ""
    typer.echo(over + line, err=err)
