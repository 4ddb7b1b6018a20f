"""`liveserver tail`: prints the entries of a live blog in the terminal as they are published."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from liveserver.cli.interruption import leave_on_interrupt
from liveserver.cli.options import ServerUrl
from liveserver.cli.server_client import client_of
from liveserver.cli.terminal import attended
from liveserver.domain.change import Position
from liveserver.domain.entry import Verification
from liveserver.protocol.json_encoding import dumps

if TYPE_CHECKING:
    from liveserver.content.translations import Translations


def tail(
    slug: Annotated[str, typer.Argument(help="The live blog")],
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=100, help="Earlier entries to show first")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the stream's messages, one a line")] = False,
    url: ServerUrl = "http://localhost:8000",
) -> None:
    """Follow a live blog in the terminal, until Ctrl+C."""

    async def follow() -> None:
        from liveserver.content.translations import texts_for

        async with client_of(url) as client:
            snapshot = await client.snapshot(slug, limit=max(lines, 1))
            zone, texts = ZoneInfo(snapshot["liveblog"]["timezone"]), texts_for(snapshot["liveblog"]["language"])
            if not as_json:
                typer.echo(f"{snapshot['liveblog']['title']} ({snapshot['liveblog']['status']})\n")
            for entry in reversed(snapshot["entries"][:lines]):
                _show({"type": "entry", "seq": entry["seq"], "entry": entry}, zone, texts, as_json)
            position = Position(snapshot["epoch"], snapshot["seq"])
            async for message in client.follow(slug, position, on_state=_tell_state):
                _show(message, zone, texts, as_json)

    leave_on_interrupt(0)
    asyncio.run(follow())


def _tell_state(state: str) -> None:
    if state == "lost" and attended():
        typer.echo("… connection lost, trying again", err=True)


def _show(message: dict[str, Any], zone: ZoneInfo, texts: Translations, as_json: bool) -> None:
    if as_json:
        typer.echo(dumps(message).decode())
        return
    match message["type"]:
        case "entry":
            _show_entry(message["entry"], zone, texts)
        case "delete" | "gone":
            typer.echo(f"✕ deleted: {message['id']}\n")
        case "liveblog":
            typer.echo(f"≡ {message['liveblog']['title']} ({message['liveblog']['status']})\n")
        case _:
            typer.echo("≡ the history was replaced; these are the newest entries\n")
            for entry in reversed(message["entries"]):
                _show_entry(entry, zone, texts)


def _show_entry(entry: dict[str, Any], zone: ZoneInfo, texts: Translations) -> None:
    from liveserver.content.plain_text import lines_of

    at = datetime.fromisoformat(entry["published_at"]).replace(tzinfo=UTC).astimezone(zone)
    marks = [mark.replace("_", " ") for mark in ("breaking", "key_event", "pinned") if entry[mark]]
    marks += ["edited"] if entry["version"] > 1 else []
    verification = entry["verification"] and Verification(entry["verification"])
    label = texts.verification(verification, entry["source"]) if verification and verification.is_claim else ""
    head = f"{at:%H:%M}  {texts.labelled(label, entry['heading'] or '')}".rstrip()
    typer.echo(head + (f"  [{', '.join(marks)}]" if marks else ""))
    for line in lines_of(entry["body"]):
        typer.echo(f"       {line}")
    typer.echo()
