"""`liveserver publish`: publishes an entry. The text is on the command line or comes from a pipe."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, Any

import typer

from liveserver.cli.options import ServerKey, ServerUrl, required_key
from liveserver.cli.server_client import client_of


def publish(
    slug: Annotated[str, typer.Argument(help="The live blog")],
    text: Annotated[str | None, typer.Argument(help="The entry; read from standard input if absent or -")] = None,
    heading: Annotated[str | None, typer.Option(help="Its heading")] = None,
    author: Annotated[list[str] | None, typer.Option(help="Who wrote it; may be repeated")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="May be repeated")] = None,
    html: Annotated[bool, typer.Option("--html", help="The text is HTML, not Markdown")] = False,
    key_event: Annotated[bool, typer.Option("--key-event", help="It is a key event")] = False,
    breaking: Annotated[bool, typer.Option("--breaking", help="It is breaking news")] = False,
    pinned: Annotated[bool, typer.Option("--pinned", help="It stays at the top")] = False,
    draft: Annotated[bool, typer.Option("--draft", help="Keep it as a draft")] = False,
    idempotency_key: Annotated[str | None, typer.Option(help="A word of your own that makes a repetition safe")] = None,
    url: ServerUrl = "http://localhost:8000",
    key: ServerKey = None,
) -> None:
    """Publish an entry, from the command line or a pipe, and print its permalink."""
    key = required_key(key)
    body = sys.stdin.read() if text is None or text == "-" else text
    entry: dict[str, Any] = {"body": body, "format": "html" if html else "markdown", "heading": heading}
    entry |= {"authors": author or [], "tags": tag or []}
    entry |= {"key_event": key_event, "breaking": breaking, "pinned": pinned}
    entry |= {"status": "draft"} if draft else {}

    async def send() -> dict[str, Any]:
        async with client_of(url, key) as client:
            return await client.publish(slug, entry, idempotency_key=idempotency_key)

    typer.echo(asyncio.run(send())["url"])
