"""`liveserver audit`: shows the record of who did what, from the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liveserver.cli.options import with_settings
from liveserver.cli.store_access import existing_store
from liveserver.cli.terminal import fail, print_table
from liveserver.domain.errors import NotFound
from liveserver.protocol.json_encoding import dumps, timestamp
from liveserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from liveserver.domain.people.act import Act
    from liveserver.store import Store
    from liveserver.store.repositories.people.acts import ActFilter

PAGE = 500
"""The greatest number of acts that are read from the store at once."""


@with_settings("database_url")
def audit(
    settings: Settings,
    person: Annotated[
        str | None, typer.Option(help="Only acts of this user (a name or an id), or of the API key with this id")
    ] = None,
    liveblog: Annotated[str | None, typer.Option(help="Only acts on this live blog", metavar="SLUG")] = None,
    entry: Annotated[str | None, typer.Option(help="Only acts on this entry", metavar="ID")] = None,
    action: Annotated[str | None, typer.Option(help="Only acts such as `entry.published`, or `entry` for all")] = None,
    since: Annotated[str | None, typer.Option(help="From this time or day on: 2026-11-22T09:30:00+01:00")] = None,
    until: Annotated[str | None, typer.Option(help="Before this time or day")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The greatest number of acts")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, not a table")] = False,
) -> None:
    """Show who did what, the last act first. Days begin at midnight, UTC."""
    from liveserver.store.repositories.people.acts import ActFilter

    which = ActFilter(person, liveblog, entry, action, _moment(since, "--since"), _moment(until, "--until"))
    asyncio.run(_show(settings, which, limit, as_json=as_json))


def _moment(text: str | None, option: str) -> datetime | None:
    """Return the time that is given to an option; None if the option is absent.

    `text`: a time with its offset, or a day, which begins at midnight, UTC. If it is neither, the command ends with an
    error message that names `option`.
    """
    from pydantic import TypeAdapter, ValidationError

    from liveserver.domain.inputs.fields import Moment

    if text is None:
        return None
    try:
        moment: datetime = TypeAdapter[Any](Moment).validate_python(text if "T" in text else f"{text}T00:00:00Z")
    except ValidationError:
        fail(
            f"{option} must be a day, such as 2026-11-22, or a time with its offset from UTC, such as "
            "2026-11-22T09:30:00+01:00 or 2026-11-22T08:30:00Z",
            2,
        )
    return moment


async def _show(settings: Settings, which: ActFilter, limit: int, *, as_json: bool) -> None:
    async with existing_store(settings) as store:
        if which.principal_id is not None:
            which = which._replace(principal_id=await _id_of(store, which.principal_id))
        await _check(store, which)
        acts = _acts(store, which, limit)
        if as_json:
            from liveserver.protocol.people import act_object

            async for act in acts:
                typer.echo(dumps(act_object(act)).decode())
            return
        rows: list[tuple[str, ...]] = [("AT", "BY", "ACTION", "LIVE BLOG", "ENTRY", "DETAILS")]
        rows += [_row(act) async for act in acts]
        print_table(rows)


async def _check(store: Store, which: ActFilter) -> None:
    """End the command with an error that names the person or live blog, if there is none, and no act of it either.

    An API key that was revoked, or a live blog that was deleted, still has acts.
    """
    everything = type(which)()
    for option, value, only in (
        ("--person", which.principal_id, everything._replace(principal_id=which.principal_id)),
        ("--liveblog", which.liveblog, everything._replace(liveblog=which.liveblog)),
    ):
        if value is None or (await store.acts.page(only, limit=1))[0]:
            continue
        try:
            await (store.users.find if option == "--person" else store.liveblogs.find)(value)
        except NotFound as error:
            fail(f"{option}: {error}, and no act of it", 2)


async def _acts(store: Store, which: ActFilter, limit: int) -> AsyncIterator[Act]:
    cursor = None
    while limit:
        acts, cursor = await store.acts.page(which, limit=min(PAGE, limit), cursor=cursor)
        for act in acts:
            yield act
        limit -= len(acts)
        if cursor is None:
            return


async def _id_of(store: Store, person: str) -> str:
    """Return the id of the user whose name is `person`. If there is no such user, return `person`: it may be an id."""
    try:
        return (await store.users.find_by_name(person)).id
    except NotFound:
        return person


def _row(act: Act) -> tuple[str, ...]:
    by = act.name if act.kind == "user" else f"{act.name} ({act.kind})"
    details = " ".join(f"{name}={_shown(value)}" for name, value in act.details.items())
    entry = "" if act.entry_id is None else f"{act.entry_id} v{act.version}"
    return timestamp(act.at), by, act.action, act.liveblog or "", entry, details


def _shown(value: object) -> str:
    """Return the value of one detail of an act as a text. The items of a list are joined by commas.

    A value with spaces or unprintable characters is quoted and escaped as in JSON, so it can't look like two details.
    """
    if isinstance(value, list):
        return ",".join(map(_shown, value))
    text = str(value)
    return text if text.isprintable() and " " not in text else dumps(text).decode()
