"""`liveserver keys …`: makes, lists and revokes API keys. The database keeps only hashes of the keys."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from liveserver.cli.options import with_settings
from liveserver.cli.store_access import on_store
from liveserver.cli.terminal import expiry, fail, is_read_here, print_table
from liveserver.domain.errors import NotFound
from liveserver.domain.ids import now
from liveserver.domain.people.principal import COMMAND
from liveserver.domain.people.rights import SCOPES
from liveserver.protocol.json_encoding import timestamp
from liveserver.settings import Settings, database_of

if TYPE_CHECKING:
    from liveserver.store import ApiKey, Store

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)


@app.command("create")
@with_settings("database_url")
def keys_create(
    settings: Settings,
    name: Annotated[str, typer.Option(help="Who or what the key is for")],
    scope: Annotated[list[str], typer.Option(help=f"What it may do: {' or '.join(SCOPES)}; may be repeated")],
    liveblog: Annotated[
        list[str] | None, typer.Option(help="The live blog that it is limited to; may be repeated")
    ] = None,
    expires_in_days: Annotated[int | None, typer.Option(min=1, help="Days until it expires")] = None,
) -> None:
    """Make an API key, and print it. It can't be shown again."""
    from liveserver.access.api_keys import new_key

    if unknown := sorted(set(scope) - set(SCOPES)):
        fail(f"unknown scope {', '.join(unknown)}: there are {' and '.join(SCOPES)}", 2)
    if not name.strip():
        fail("the name must not be blank", 2)
    expires_at = now() + timedelta(days=expires_in_days) if expires_in_days else None
    stored_key, printed_key = new_key(name, scope, expires_at, liveblog or None)

    on_store(settings, lambda store: store.keys.add(stored_key, COMMAND), new=True)
    server = f"the server on {database_of(settings)}"
    if is_read_here():
        typer.echo(f"A key for {server}, shown this once:", err=True)
    else:
        typer.echo(f"Made a key for {server}; it is on standard output, shown this once.", err=True)
    typer.echo(printed_key)
    typer.echo("Programs send it as Authorization: Bearer …; commands take it from LIVESERVER_KEY, or --key.", err=True)


@app.command("list")
@with_settings("database_url")
def keys_list(settings: Settings) -> None:
    """List the API keys, without their secrets, which aren't kept."""
    rows = [("ID", "NAME", "SCOPES", "LIVE BLOGS", "CREATED", "STATE")]
    rows += [
        (
            key.id,
            key.name,
            " ".join(sorted(key.scopes)),
            "all" if key.liveblogs is None else " ".join(sorted(key.liveblogs)),
            timestamp(key.created_at),
            _state(key),
        )
        for key in on_store(settings, lambda store: store.keys.all())
    ]
    print_table(rows)


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {timestamp(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    return expiry(key.expires_at)


@app.command("revoke")
@with_settings("database_url")
def keys_revoke(settings: Settings, key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id")]) -> None:
    """Revoke an API key at once, for good."""

    async def revoke(store: Store) -> str | None:
        try:
            await store.keys.revoke(key_id, now(), COMMAND)
        except NotFound:
            return _no_key(key_id, await store.keys.all())
        return None

    if complaint := on_store(settings, revoke):
        fail(complaint, 1)
    typer.echo(f"Revoked {key_id}.")


def _no_key(text: str, keys: list[ApiKey]) -> str:
    """Return the error message for a text that isn't the id of an API key.

    If the text is a whole key, or the name of a key, the message names the key's id. The message never contains
    a key's secret.
    """
    if text.startswith("lv_"):
        return f"that is a whole key: give its id only, which is {text.split('_')[1]}"
    if ids := [key.id for key in keys if key.name == text]:
        return f"{text} is a key's name: give its id, {' or '.join(ids)}"
    return f"no key has the id {text}: `liveserver keys list` shows which there are"
