"""`liveserver partners …`: on the database itself, also while servers run; they notice within two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from liveserver.cli.terminal import tell
from liveserver.domain.errors import NotFound
from liveserver.domain.ids import now
from liveserver.domain.inputs.bodies import PartnerInput, PartnerPatch
from liveserver.domain.inputs.parsing import parse
from liveserver.protocol.encoding import timestamp
from liveserver.protocol.resources import partner_object
from liveserver.settings import Settings
from liveserver.utils.text_table import aligned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from contextlib import AbstractAsyncContextManager
    from typing import TypeVar

    from liveserver.domain.partner import Partner
    from liveserver.store import Store

    T = TypeVar("T")
    Decorator = Callable[[Callable[..., None]], Callable[..., None]]

StoreOf = Callable[[Settings, bool], "AbstractAsyncContextManager[Store]"]
PartnerId = Annotated[str, typer.Argument(metavar="ID", help="The partner's id")]
Origins = Annotated[
    list[str] | None, typer.Option("--origin", help="Whose pages: https://www.example.org; may be repeated")
]
Liveblogs = Annotated[list[str] | None, typer.Option("--liveblog", help="What it may show; may be repeated")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Only entries with such a tag; may be repeated")]
Delay = Annotated[int | None, typer.Option(help="Seconds by which its readers are late")]
Expires = Annotated[str | None, typer.Option(help="When its time is over: 2026-12-31T23:00:00+01:00")]
Accent = Annotated[str | None, typer.Option(help="Its colour: #rrggbb")]
Background = Annotated[str | None, typer.Option(help="Its background: #rrggbb")]
Text = Annotated[str | None, typer.Option(help="The colour of its text: #rrggbb")]
Font = Annotated[str | None, typer.Option(help="Its fonts, commas between")]
Scheme = Annotated[str | None, typer.Option(help="auto, light or dark")]
Credit = Annotated[str | None, typer.Option(help="What its pages say of us")]
CreditUrl = Annotated[str | None, typer.Option(help="Where that leads")]

_CLEARABLE = {
    "origins": [],
    "liveblogs": [],
    "tags": [],
    "delay": 0,
    "expires_at": None,
    "theme": {},
    "attribution": None,
}
Clear = Annotated[
    list[str] | None, typer.Option(help=f"Empty a rule ({', '.join(_CLEARABLE)}); may be repeated", metavar="RULE")
]


def add_partner_commands(app: typer.Typer, with_database: Decorator, store_of: StoreOf) -> None:
    """Add the commands to the command line, each with the setting that names the database."""

    def on_store(settings: Settings, work: Callable[[Store], Awaitable[T]], *, new: bool = False) -> T:
        async def run() -> T:
            async with store_of(settings, new) as store:
                return await work(store)

        return asyncio.run(run())

    def edit(settings: Settings, partner_id: str, given: dict[str, Any]) -> Partner:
        from liveserver.access.partner_admission import edited

        patch = parse(PartnerPatch, given)
        return on_store(settings, lambda store: store.partners.edit(partner_id, lambda old: edited(old, patch, now())))

    @app.command("add")
    @with_database
    def partners_add(
        settings: Settings,
        name: Annotated[str, typer.Argument(help="Who it is")],
        origin: Origins = None,
        liveblog: Liveblogs = None,
        tag: Tags = None,
        delay: Delay = None,
        expires: Expires = None,
        accent: Accent = None,
        background: Background = None,
        text: Text = None,
        font: Font = None,
        scheme: Scheme = None,
        credit: Credit = None,
        credit_url: CreditUrl = None,
    ) -> None:
        """Take a partner in, and print its id."""
        from liveserver.access.partner_admission import made

        theme = _theme(accent, background, text, font, scheme)
        given = {"name": name, **_rules(origin, liveblog, tag, delay, expires, theme, credit, credit_url)}
        partner = made(parse(PartnerInput, given), now())
        missing = on_store(settings, lambda store: _added(store, partner), new=True)
        typer.echo(partner.id)
        _tell_missing(missing)

    @app.command("list")
    @with_database
    def listing(settings: Settings) -> None:
        """List the partners."""
        partners = on_store(settings, lambda store: store.partners.rules()).partners.values()
        rows = [("ID", "NAME", "STATE", "DELAY", "TAGS", "LIVE BLOGS", "ORIGINS")]
        rows += [
            (
                partner.id,
                partner.name,
                _state(partner),
                f"{partner.delay} s",
                " ".join(partner.tags) or "all",
                " ".join(partner.liveblogs) or "all",
                " ".join(partner.origins) or "any",
            )
            for partner in sorted(partners, key=lambda partner: (partner.created_at, partner.id))
        ]
        for line in aligned(rows):
            typer.echo(line)

    @app.command("show")
    @with_database
    def show(settings: Settings, partner_id: PartnerId) -> None:
        """Show a partner's rules, as JSON."""
        partner = on_store(settings, lambda store: store.partners.find(partner_id))
        typer.echo(orjson.dumps(partner_object(partner), option=orjson.OPT_INDENT_2).decode())

    @app.command("edit")
    @with_database
    def partners_edit(
        settings: Settings,
        partner_id: PartnerId,
        name: Annotated[str | None, typer.Option(help="Who it is")] = None,
        origin: Origins = None,
        liveblog: Liveblogs = None,
        tag: Tags = None,
        delay: Delay = None,
        expires: Expires = None,
        accent: Accent = None,
        background: Background = None,
        text: Text = None,
        font: Font = None,
        scheme: Scheme = None,
        credit: Credit = None,
        credit_url: CreditUrl = None,
        clear: Clear = None,
    ) -> None:
        """Change a partner's rules: each one that is named is replaced."""
        if unknown := sorted(set(clear or ()) - _CLEARABLE.keys()):
            raise typer.BadParameter(f"there is no rule {unknown[0]}", param_hint="--clear")
        given = {rule: _CLEARABLE[rule] for rule in clear or ()}
        theme = _theme(accent, background, text, font, scheme)
        given |= {"name": name} if name is not None else {}
        given |= _rules(origin, liveblog, tag, delay, expires, theme, credit, credit_url)
        partner = edit(settings, partner_id, given)
        typer.echo(f"{partner.id} is at version {partner.version}.")
        _tell_missing(on_store(settings, lambda store: _missing(store, liveblog or ())))

    @app.command("disable")
    @with_database
    def partners_disable(settings: Settings, partner_id: PartnerId) -> None:
        """Switch a partner off: its viewers are closed within seconds."""
        edit(settings, partner_id, {"enabled": False})
        typer.echo(f"Switched {partner_id} off.")

    @app.command("enable")
    @with_database
    def partners_enable(settings: Settings, partner_id: PartnerId) -> None:
        """Switch a partner on again."""
        edit(settings, partner_id, {"enabled": True})
        typer.echo(f"Switched {partner_id} on.")

    @app.command("remove")
    @with_database
    def partners_remove(settings: Settings, partner_id: PartnerId) -> None:
        """Remove a partner, for good."""
        on_store(settings, lambda store: store.partners.delete(partner_id, version=None))
        typer.echo(f"Removed {partner_id}.")


async def _added(store: Store, partner: Partner) -> list[str]:
    await store.partners.add(partner)
    return await _missing(store, partner.liveblogs)


async def _missing(store: Store, slugs: Iterable[str]) -> list[str]:
    """Those of the live blogs that aren't there."""
    missing = []
    for slug in slugs:
        try:
            await store.liveblogs.find(slug)
        except NotFound:
            missing.append(slug)
    return missing


def _tell_missing(slugs: list[str]) -> None:
    """That the rules name live blogs which aren't there: perhaps misspelt, perhaps to be opened."""
    for slug in slugs:
        tell(f"there is no live blog {slug} so far: the partner may show it once it is opened")


def _theme(
    accent: str | None, background: str | None, text: str | None, font: str | None, scheme: str | None
) -> dict[str, str]:
    given = {"accent": accent, "background": background, "text": text, "font": font, "scheme": scheme}
    return {name: value for name, value in given.items() if value is not None}


def _rules(
    origins: list[str] | None,
    liveblogs: list[str] | None,
    tags: list[str] | None,
    delay: int | None,
    expires: str | None,
    theme: dict[str, str],
    credit: str | None,
    credit_url: str | None,
) -> dict[str, Any]:
    """What was given on the command line, as the API takes it."""
    attribution = {"text": credit or "", "url": credit_url or ""} if credit or credit_url else None
    given = {
        "origins": origins or None,
        "liveblogs": liveblogs or None,
        "tags": tags or None,
        "delay": delay,
        "expires_at": expires,
        "theme": theme or None,
        "attribution": attribution,
    }
    return {name: value for name, value in given.items() if value is not None}


def _state(partner: Partner) -> str:
    if not partner.enabled:
        return "off"
    if partner.expires_at is None:
        return "on"
    return f"{'expired' if partner.expires_at <= now() else 'expires'} {timestamp(partner.expires_at)}"
