"""`liveserver follow …`: on the database itself, also while servers run; they notice within two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from liveserver.domain.ids import now
from liveserver.domain.inputs.bodies import SourceInput
from liveserver.domain.inputs.parsing import parse
from liveserver.protocol.resources import source_object
from liveserver.settings import Settings

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from liveserver.domain.source import Source
    from liveserver.store import Store

    Decorator = Callable[[Callable[..., None]], Callable[..., None]]

StoreOf = Callable[[Settings], "AbstractAsyncContextManager[Store]"]


def add_follow_command(app: typer.Typer, with_settings: Decorator, store_of: StoreOf) -> None:
    """Add the command to the command line, with the settings that it needs."""

    @app.command("follow")
    @with_settings
    def follow(
        settings: Settings,
        slug: Annotated[str, typer.Argument(help="The live blog here")],
        address: Annotated[
            str | None, typer.Argument(metavar="URL", help="The page of the one to follow; without it, how that stands")
        ] = None,
        partner: Annotated[str | None, typer.Option(help="As which partner of theirs it is read: p_…")] = None,
        credit: Annotated[str | None, typer.Option(help="What is said of whose the entries are")] = None,
        credit_url: Annotated[str | None, typer.Option(help="Where that leads, if not to each entry there")] = None,
        stop: Annotated[bool, typer.Option("--stop", help="Follow it no more; what was taken over stays")] = False,
    ) -> None:
        """Have a live blog follow one of another server, show how that stands, or stop it."""
        if address is None and (partner or credit or credit_url):
            raise typer.BadParameter("is needed with --partner, --credit and --credit-url", param_hint="URL")
        if credit_url is not None and credit is None:
            raise typer.BadParameter("is needed with --credit-url", param_hint="--credit")
        if stop and address is not None:
            raise typer.BadParameter("goes without a URL", param_hint="--stop")
        given: dict[str, Any] = {"url": address, "partner": partner}
        given |= {"attribution": {"text": credit, "url": credit_url}} if credit else {}

        async def run() -> Source | None:
            from liveserver.newsroom.syndication.coordinator import made

            async with store_of(settings) as store:
                if stop:
                    await store.sources.remove(slug)
                    return None
                if address is not None:
                    return await store.sources.add(made(slug, parse(SourceInput, given), now(), settings))
                return await store.sources.find(slug, now())

        source = asyncio.run(run())
        if source is None:
            typer.echo(f"{slug} follows nothing any more.")
        elif address is not None:
            typer.echo(f"{slug} follows {source.page}.")
        else:
            typer.echo(orjson.dumps(source_object(source), option=orjson.OPT_INDENT_2).decode())
