"""`liveserver follow`: sets, shows or removes a live blog's source (another server's live blog to follow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from liveserver.cli.options import with_settings
from liveserver.cli.store_access import on_store
from liveserver.cli.terminal import print_json
from liveserver.domain.ids import now
from liveserver.domain.people.principal import COMMAND
from liveserver.settings import Settings

if TYPE_CHECKING:
    from liveserver.domain.source import Source
    from liveserver.store import Store


@with_settings("database_url", "public_url", "follow_private")
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
    """Make a live blog follow another server's live blog (its source), show the source's state, or stop following."""
    if address is None and (partner or credit or credit_url):
        raise typer.BadParameter("is needed with --partner, --credit and --credit-url", param_hint="URL")
    if credit_url is not None and credit is None:
        raise typer.BadParameter("is needed with --credit-url", param_hint="--credit")
    if stop and address is not None:
        raise typer.BadParameter("goes without a URL", param_hint="--stop")
    fields: dict[str, Any] = {"url": address, "partner": partner}
    fields |= {"attribution": {"text": credit, "url": credit_url}} if credit else {}

    async def work(store: Store) -> Source | None:
        from liveserver.domain.inputs.models import SourceInput
        from liveserver.domain.inputs.parsing import parse
        from liveserver.newsroom.syndication.coordinator import new_source

        if stop:
            await store.sources.remove(slug, COMMAND, now())
            return None
        if address is not None:
            return await store.sources.add(new_source(slug, parse(SourceInput, fields), now(), settings), COMMAND)
        return await store.sources.find(slug, now())

    source = on_store(settings, work)
    if source is None:
        typer.echo(f"{slug} follows nothing any more.")
    elif address is not None:
        typer.echo(f"{slug} follows {source.page}.")
    else:
        from liveserver.protocol.resources import source_object

        print_json(source_object(source))
