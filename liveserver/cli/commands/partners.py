"""`liveserver partners …`: adds, changes and removes partners, which are other sites that show our live blogs."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liveserver.cli.options import with_settings
from liveserver.cli.store_access import on_store
from liveserver.cli.terminal import expiry, print_json, print_table, tell
from liveserver.domain.errors import FieldError, InvalidInput, NotFound
from liveserver.domain.ids import now
from liveserver.domain.people.principal import COMMAND
from liveserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liveserver.domain.inputs.parsing import InputType
    from liveserver.domain.partner import Partner
    from liveserver.store import Store

app = typer.Typer(
    help="Add partners, change their rules, switch them off.", no_args_is_help=True, rich_markup_mode=None
)

PartnerId = Annotated[str, typer.Argument(metavar="ID", help="The partner's id")]
Texts = list[str] | None

RULE_OPTIONS: dict[str, Any] = {
    "origin": Annotated[Texts, typer.Option("--origin", help="Whose pages: https://www.example.org; may be repeated")],
    "liveblog": Annotated[Texts, typer.Option("--liveblog", help="What it may show; may be repeated")],
    "tag": Annotated[Texts, typer.Option("--tag", help="Only entries with such a tag; may be repeated")],
    "delay": Annotated[int | None, typer.Option(help="Seconds by which its readers are late")],
    "expires": Annotated[str | None, typer.Option(help="When its time is over: 2026-12-31T23:00:00+01:00")],
    "accent": Annotated[str | None, typer.Option(help="Its colour: #rrggbb")],
    "background": Annotated[str | None, typer.Option(help="Its background: #rrggbb")],
    "text": Annotated[str | None, typer.Option(help="The colour of its text: #rrggbb")],
    "font": Annotated[str | None, typer.Option(help="Its fonts, commas between")],
    "scheme": Annotated[str | None, typer.Option(help="auto, light or dark")],
    "credit": Annotated[str | None, typer.Option(help="What its pages say of us")],
    "credit_url": Annotated[str | None, typer.Option(help="Where that leads")],
}
THEME = ("accent", "background", "text", "font", "scheme")

CLEARABLE = {
    "origins": [],
    "liveblogs": [],
    "tags": [],
    "delay": 0,
    "expires_at": None,
    "theme": {},
    "attribution": None,
}
Clear = Annotated[
    list[str] | None, typer.Option(help=f"Empty a rule ({', '.join(CLEARABLE)}); may be repeated", metavar="RULE")
]


def with_rules(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that has options for the rules of a partner, in place of the parameter `rules` of `command`.

    The returned command calls `command` with a dictionary `rules`. The dictionary has the rules that are on
    the command line, in the form that the API accepts.
    """

    @functools.wraps(command)
    def wrapped(**arguments: Any) -> None:
        options = {name: arguments.pop(name) for name in RULE_OPTIONS}
        command(**arguments, rules=_rules(options))

    parameters = []
    for parameter in inspect.signature(command, eval_str=True).parameters.values():
        if parameter.name == "rules":
            parameters += [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
                for name, annotation in RULE_OPTIONS.items()
            ]
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return wrapped


OPTION_OF = {
    "/name": "the name",
    "/origins": "--origin",
    "/liveblogs": "--liveblog",
    "/tags": "--tag",
    "/delay": "--delay",
    "/expires_at": "--expires",
    "/attribution/text": "--credit",
    "/attribution/url": "--credit-url",
    **{f"/theme/{name}": f"--{name}" for name in THEME},
}
"""The command-line option (or argument) that sets a field of a partner, by the JSON pointer of the field in the API."""


def _parse(model: type[InputType], fields: dict[str, Any]) -> InputType:
    """Check the fields of a partner, and return them as an instance of `model`.

    `fields`: the values by the names that the fields have in the API. Raises InvalidInput if a field isn't valid. The
    error names the option or argument that sets the field, not the API's field.
    """
    from liveserver.domain.inputs.parsing import parse

    try:
        return parse(model, fields)
    except InvalidInput as error:
        raise InvalidInput([FieldError(_option(pointer), detail) for pointer, detail in error.errors]) from None


def _option(pointer: str) -> str:
    """Return the command-line option or argument that sets a field of a partner, as an error message names it.

    `pointer`: the field's JSON pointer in the API. For `/name`, which an argument sets, returns `the name`. For one
    item of a field (`/origins/0`), returns the option of the whole field (`--origin`). If no option or argument sets
    the field, returns `pointer`.
    """
    return OPTION_OF.get(pointer) or OPTION_OF.get(pointer.rpartition("/")[0]) or pointer


def _rules(options: dict[str, Any]) -> dict[str, Any]:
    credit, credit_url = options["credit"], options["credit_url"]
    rules = {
        "origins": options["origin"] or None,
        "liveblogs": options["liveblog"] or None,
        "tags": options["tag"] or None,
        "delay": options["delay"],
        "expires_at": options["expires"],
        "theme": {name: options[name] for name in THEME if options[name] is not None} or None,
        "attribution": {"text": credit or "", "url": credit_url or ""} if credit or credit_url else None,
    }
    return {name: value for name, value in rules.items() if value is not None}


@app.command("add")
@with_settings("database_url")
@with_rules
def partners_add(
    settings: Settings, name: Annotated[str, typer.Argument(help="Who it is")], rules: dict[str, Any]
) -> None:
    """Add a partner, and print its id."""
    from liveserver.domain.inputs.models import PartnerInput
    from liveserver.newsroom.partner_directory import new_partner

    partner = new_partner(_parse(PartnerInput, {"name": name, **rules}), now())

    async def add(store: Store) -> list[str]:
        await store.partners.add(partner, COMMAND)
        return await _missing(store, partner.liveblogs)

    missing = on_store(settings, add, new=True)
    typer.echo(partner.id)
    _tell_missing(missing)


@app.command("list")
@with_settings("database_url")
def partners_list(settings: Settings) -> None:
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
    print_table(rows)


@app.command("show")
@with_settings("database_url")
def partners_show(settings: Settings, partner_id: PartnerId) -> None:
    """Show a partner's rules, as JSON."""
    from liveserver.protocol.resources import partner_object

    print_json(partner_object(on_store(settings, lambda store: store.partners.find(partner_id))))


@app.command("edit")
@with_settings("database_url")
@with_rules
def partners_edit(
    settings: Settings,
    partner_id: PartnerId,
    name: Annotated[str | None, typer.Option(help="Who it is")] = None,
    *,
    rules: dict[str, Any],
    clear: Clear = None,
) -> None:
    """Change a partner's rules. Only the rules that the options name are replaced."""
    if unknown := sorted(set(clear or ()) - CLEARABLE.keys()):
        raise typer.BadParameter(f"there is no rule {unknown[0]}", param_hint="--clear")
    cleared = {rule: CLEARABLE[rule] for rule in clear or ()}
    partner = _edit(settings, partner_id, {**cleared, **({} if name is None else {"name": name}), **rules})
    typer.echo(f"{partner.id} is at version {partner.version}.")
    _tell_missing(on_store(settings, lambda store: _missing(store, rules.get("liveblogs", ()))))


@app.command("disable")
@with_settings("database_url")
def partners_disable(settings: Settings, partner_id: PartnerId) -> None:
    """Switch a partner off: its viewers' streams are closed within seconds."""
    _edit(settings, partner_id, {"enabled": False})
    typer.echo(f"Switched {partner_id} off.")


@app.command("enable")
@with_settings("database_url")
def partners_enable(settings: Settings, partner_id: PartnerId) -> None:
    """Switch a partner on again."""
    _edit(settings, partner_id, {"enabled": True})
    typer.echo(f"Switched {partner_id} on.")


@app.command("remove")
@with_settings("database_url")
def partners_remove(settings: Settings, partner_id: PartnerId) -> None:
    """Remove a partner, for good."""
    on_store(settings, lambda store: store.partners.delete(partner_id, COMMAND, now(), version=None))
    typer.echo(f"Removed {partner_id}.")


def _edit(settings: Settings, partner_id: str, fields: dict[str, Any]) -> Partner:
    from liveserver.domain.inputs.models import PartnerPatch
    from liveserver.newsroom.partner_directory import edited_partner

    patch = _parse(PartnerPatch, fields)
    return on_store(
        settings, lambda store: store.partners.edit(partner_id, lambda old: edited_partner(old, patch, now()), COMMAND)
    )


async def _missing(store: Store, slugs: Iterable[str]) -> list[str]:
    """Return the slugs in `slugs` that no live blog has."""
    missing = []
    for slug in slugs:
        try:
            await store.liveblogs.find(slug)
        except NotFound:
            missing.append(slug)
    return missing


def _tell_missing(slugs: list[str]) -> None:
    """Print, for each slug in `slugs`, the message that no live blog has this slug.

    A missing live blog is no error. The slug may be misspelt, but the live blog may also be opened later.
    """
    for slug in slugs:
        tell(f"there is no live blog {slug} so far: the partner may show it once it is opened")


def _state(partner: Partner) -> str:
    if not partner.enabled:
        return "off"
    if partner.expires_at is None:
        return "on"
    return expiry(partner.expires_at)
