"""The command line."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import re
import signal
import sys
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import typer

from liveserver import __version__
from liveserver.access.api_keys import SCOPES
from liveserver.cli.bench.viewers.handshake import Transport
from liveserver.cli.commands.follow import add_follow_command
from liveserver.cli.commands.partners import add_partner_commands
from liveserver.cli.interruption import interruptible
from liveserver.cli.terminal import attended, tell, tell_silence, tell_wait
from liveserver.domain import audit
from liveserver.domain.audience import LINK_DAYS_MAX
from liveserver.domain.change import Position
from liveserver.domain.entry import Verification
from liveserver.domain.errors import LiveserverError, NotFound, SettingsError
from liveserver.domain.ids import ID_PATTERN, now
from liveserver.protocol.encoding import dumps, timestamp
from liveserver.settings import (
    SECRETS,
    Settings,
    database_of,
    flag_of,
    key_of,
    load,
    take_client_variables,
    unknown_settings,
    unreadable_lines,
)
from liveserver.utils import private_files
from liveserver.utils.text_table import aligned

# The store, the server and the clients are imported by the commands that need them: together they take longer than
# most commands do.
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from liveserver.content.translations import Translations
    from liveserver.http.container import Container
    from liveserver.store import ApiKey, Store

GC_THRESHOLD = 50_000
"""Objects more than before, until the collector looks for cycles. Imports make many that stay: going through them again
and again was a fourteenth of the time that the server needs to start."""
NOBODY = ": start it (`liveserver serve`), or give another address with --url (LIVESERVER_URL)"
"""Advice for a server that doesn't answer."""
LOGGING = {"serve", "demo"}
"""Commands that tell the log what is wrong with `.env` and the environment, among all else."""

app = typer.Typer(
    name="liveserver",
    help="A self-hosted, real-time live-blog server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
keys_app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys_app, name="keys")
partners_app = typer.Typer(
    help="Take partners in, change their rules, switch them off.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(partners_app, name="partners")

ServerKey = Annotated[
    str | None,
    typer.Option("--key", envvar="LIVESERVER_KEY", help="The API key; or LIVESERVER_KEY_FILE names its file"),
]
ServerUrl = Annotated[str, typer.Option("--url", envvar="LIVESERVER_URL", help="The server to talk to")]


def with_settings(*names: str, **defaults: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the settings of these names (none: all of them) as flags, and their values as `settings`.

    A command that takes `flags` instead gets only what was given on the command line. `defaults`: what its help says of
    those that it has itself, whatever the environment and `.env` say.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        fields = {name: field for name, field in Settings.model_fields.items() if not names or name in names}

        given_as = inspect.signature(command, eval_str=True).parameters

        @functools.wraps(command)
        def wrapped(**given: Any) -> None:
            audit.by(command=command.__name__.replace("_", " "))
            flags = {name: given.pop(name) for name in fields}
            if "flags" in given_as:
                command(**given, flags={name: value for name, value in flags.items() if value is not None})
            else:
                settings = load(**flags)
                if command.__name__ not in LOGGING:
                    for line in unreadable_lines():
                        tell(f"{line} isn't like NAME=value, and is left out")
                command(**given, settings=settings)

        own = [p for name, p in given_as.items() if name not in {"settings", "flags"}]
        parameters = [
            *own,
            *(
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_flag(name, defaults.get(name))
                )
                for name in fields
            ),
        ]
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _flag(name: str, own: str | None) -> Any:
    field = Settings.model_fields[name]
    spellings = {"--" + name.replace("_", "-"), flag_of(name)}
    default = "none" if field.default is None else field.default
    variable = f"LIVESERVER_{name.upper()}" + (" or …_FILE" if name in SECRETS else "")
    text = f"{field.description} [{variable}; default: {default}]"
    if own is not None:
        text = f"{field.description} [here: {own}]"
    return Annotated[str | None, typer.Option(*sorted(spellings), help=text, show_default=False, metavar="VALUE")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"liveserver {__version__}")
        raise typer.Exit


@app.callback()
def callback(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A self-hosted, real-time live-blog server."""
    if context.invoked_subcommand not in LOGGING:
        # What can't be read is told by the commands that want it.
        with suppress(OSError, UnicodeDecodeError):
            _tell_unknown_settings()


def _tell_unknown_settings() -> None:
    for variable, meant in unknown_settings().items():
        tell(f"{variable} is no setting" + (f": perhaps {meant} is meant" if meant else ""))


@app.command()
@with_settings()
def serve(settings: Settings) -> None:
    """Run the server."""
    from liveserver.server.serve import serve as run

    run(settings)


@app.command()
@with_settings(
    database_url="live.db in --dir",
    media_dir="media in --dir",
    media_url="none",
    redis_url="none",
    workers="always 1",
    log_level="warning",
)
def demo(
    flags: dict[str, Any],
    directory: Annotated[
        Path,
        typer.Option("--dir", help="Where the demo keeps its key, pictures, and database unless --database names one"),
    ] = Path("demo-data"),
    interval: Annotated[float, typer.Option(min=0.05, help="Seconds between entries")] = 6.0,
) -> None:
    """Run the server with a live blog that is being written while you look.

    Its database is live.db in --dir (demo-data/live.db), whatever the environment and .env say, or that of --database.
    """
    from liveserver.cli.demo.runner import Newsroom
    from liveserver.cli.demo.script import load as load_script
    from liveserver.server.serve import serve as run

    try:
        private_files.make_directories(directory)
    except OSError as error:
        raise SettingsError(f"can't make the directory {directory}: {error.strerror}") from None
    # Neither a `.env` nor the environment may make the demo write into somebody's real database; a flag may.
    own = {"database_url": f"sqlite:///{directory}/live.db", "redis_url": "", "log_level": "warning"}
    own |= {"media_dir": f"{directory}/media", "media_url": ""}
    # One process: it is the one that writes.
    settings = load(**{**own, **flags, "workers": 1})
    script = load_script()

    async def write(parts: Container) -> None:
        newsroom = Newsroom(parts, script, interval=interval)
        typer.echo(
            WELCOME.format(
                url=parts.settings.base_url,
                slug=newsroom.slug,
                key=key,
                keyfile=directory / "key",
                minutes=max(1, round(newsroom.seconds / 60)),
            )
        )
        await newsroom.run()

    key = asyncio.run(_demo_key(settings, directory / "key"))
    run(settings, beside=write)
    typer.echo("The demo has ended.")


WELCOME = """
  A live blog is being written.

    Reader's page   {url}/live/{slug}
    API             {url}/api/v1      (described at {url}/docs)
    API key         {key}
                    (also in {keyfile})

  Publish an entry of your own, and watch it arrive:

    curl {url}/api/v1/liveblogs/{slug}/entries \\
      -H "Authorization: Bearer $(cat {keyfile})" -H "Content-Type: application/json" \\
      -d '{{"heading": "Bonjour", "body": "<p>Publié à l’instant.</p>"}}'

  After about {minutes} min the story has been told: it is deleted, and begins again. Your own entries stay.
  Ctrl+C ends it.
"""


@asynccontextmanager
async def _store_of(settings: Settings, new: bool = False) -> AsyncIterator[Store]:
    """The store. Where there is no database, one is made if it may be `new`, and told of; else raises SettingsError."""
    from liveserver.store.sqlite_file import missing

    # What can only be read or changed is nowhere but in the database that is meant: an empty one would hide a mistake.
    if (path := missing(settings.database_url)) is not None and not new:
        raise SettingsError(
            f"there is no database at {path}: give the server's own with --database (LIVESERVER_DATABASE_URL), "
            "or have `liveserver serve` make one"
        )
    async with _opened(settings) as store:
        if path is not None:
            tell(f"there was no database: made a new one at {path}")
        yield store


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Store]:
    from liveserver.server import log_config
    from liveserver.store import Store

    # The log on standard error tells of changes, as a server's does; at a terminal the answer does.
    log_config.configure(settings.model_copy(update={"log_level": "warning"}) if attended() else settings)
    store = await Store.open(settings.database_url)
    try:
        yield store
    finally:
        await store.close()


async def _demo_key(settings: Settings, path: Path) -> str:
    """A key for this run; those of earlier runs, whose secrets nobody knows any more, are revoked."""
    from liveserver.access.api_keys import new_key

    stored, shown = new_key("demo", SCOPES)
    async with _opened(settings) as store:
        for old in await store.keys.all():
            if old.name == "demo" and old.revoked_at is None:
                await store.keys.revoke(old.id, now())
        await store.keys.add(stored)
    with private_files.write_to(path) as file:
        file.write(f"{shown}\n".encode())
    return shown


@app.command()
@with_settings("database_url")
def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date."""
    from liveserver.store import migrate as run

    before, after = asyncio.run(run(settings.database_url))
    typer.echo(
        f"The schema is at {after}." if before == after else f"The schema went from {before or 'nothing'} to {after}."
    )


@app.command()
@with_settings("database_url")
def backup(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="Where to write it, or - for standard output")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists")] = False,
) -> None:
    """Write all that the database holds to one file; servers may run meanwhile."""
    from liveserver.cli.commands.backup import write

    with interruptible():
        typer.echo(write(settings.database_url, file, force=force), err=str(file) == "-")


@app.command()
@with_settings("database_url")
def restore(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="What `liveserver backup` wrote, or - for standard input")],
    force: Annotated[bool, typer.Option("--force", help="Replace the live blogs that the database holds")] = False,
) -> None:
    """Replace all that the database holds by a backup; every reader starts afresh."""
    from liveserver.cli.commands.backup import read

    with interruptible():
        typer.echo(read(settings.database_url, file, force=force))


@app.command()
@with_settings()
def config(settings: Settings) -> None:
    """Show the settings in force, passwords hidden."""
    for name, value in settings.redacted().items():
        shown = "" if value is None else value
        typer.echo(f"LIVESERVER_{name.upper()}={shown}")


@keys_app.command("create")
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
    """Make an API key and print it, this once."""
    from liveserver.access.api_keys import new_key

    if unknown := sorted(set(scope) - set(SCOPES)):
        _fail(f"unknown scope {', '.join(unknown)}: there are {' and '.join(SCOPES)}", 2)
    if not name.strip():
        _fail("the name must not be blank", 2)
    expires_at = now() + timedelta(days=expires_in_days) if expires_in_days else None
    stored, shown = new_key(name, scope, expires_at, liveblog or None)

    async def add() -> None:
        async with _store_of(settings, new=True) as store:
            await store.keys.add(stored)

    asyncio.run(add())
    typer.echo(f"A key for the server on {database_of(settings)}, shown this once:", err=True)
    typer.echo(shown)
    typer.echo("Programs send it as Authorization: Bearer …; commands take it from LIVESERVER_KEY, or --key.", err=True)


@keys_app.command("list")
@with_settings("database_url")
def keys_list(settings: Settings) -> None:
    """List the keys; their secrets are not kept."""

    async def read() -> list[ApiKey]:
        async with _store_of(settings) as store:
            return await store.keys.all()

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
        for key in asyncio.run(read())
    ]
    for line in aligned(rows):
        typer.echo(line)


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return f"revoked {timestamp(key.revoked_at)}"
    if key.expires_at is None:
        return "valid"
    return f"{'expired' if key.expires_at <= now() else 'expires'} {timestamp(key.expires_at)}"


@keys_app.command("revoke")
@with_settings("database_url")
def keys_revoke(settings: Settings, key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id")]) -> None:
    """Make a key void, at once."""

    async def revoke() -> str | None:
        async with _store_of(settings) as store:
            try:
                await store.keys.revoke(key_id, now())
            except NotFound:
                return _no_key(key_id, await store.keys.all())
        return None

    if complaint := asyncio.run(revoke()):
        _fail(complaint, 1)
    typer.echo(f"Revoked {key_id}.")


def _no_key(given: str, keys: list[ApiKey]) -> str:
    """What is wrong with an id that no key has. Of a whole key, its secret isn't repeated."""
    if given.startswith("lv_"):
        return f"that is a whole key: give its id only, which is {given.split('_')[1]}"
    if named := [key.id for key in keys if key.name == given]:
        return f"{given} is a key's name: give its id, {' or '.join(named)}"
    return f"no key has the id {given}: `liveserver keys list` shows which there are"


add_partner_commands(partners_app, with_settings("database_url"), _store_of)
add_follow_command(app, with_settings("database_url", "public_url", "follow_private"), _store_of)


@app.command()
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
    key = _needed(key)
    body = sys.stdin.read() if text is None or text == "-" else text
    entry: dict[str, Any] = {"body": body, "format": "html" if html else "markdown", "heading": heading}
    entry |= {"authors": author or [], "tags": tag or []}
    entry |= {"key_event": key_event, "breaking": breaking, "pinned": pinned}
    entry |= {"status": "draft"} if draft else {}

    async def send() -> dict[str, Any]:
        from liveserver.client import Client

        async with Client(url, key, on_wait=tell_wait, on_silence=tell_silence) as client:
            return await client.publish(slug, entry, idempotency_key=idempotency_key)

    typer.echo(asyncio.run(send())["url"])


@app.command()
def takedown(
    slug: Annotated[str, typer.Argument(help="The live blog")],
    entry_id: Annotated[str, typer.Argument(metavar="ID", help="The entry's id, or its permalink")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures in the end, as JSON")] = False,
    url: ServerUrl = "http://localhost:8000",
    key: ServerKey = None,
) -> None:
    """Delete an entry, and show live how many viewers have confirmed that it is gone."""
    key = _needed(key)
    found = entry_id.rstrip("/").rpartition("/")[2]
    if not re.fullmatch(ID_PATTERN, found):
        _fail(f"{entry_id} is neither an entry's id nor its permalink, …/live/{slug}/entries/ID", 2)
    from liveserver.cli.commands.takedown import watch

    raise typer.Exit(asyncio.run(watch(url, key, slug, found, as_json=as_json)))


@app.command()
def reach(
    slug: Annotated[str, typer.Argument(help="The live blog")],
    since: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The last day")] = None,
    partner: Annotated[str | None, typer.Option(help="Of this partner only")] = None,
    link: Annotated[bool, typer.Option("--link", help="Print a link to a page with plots instead")] = False,
    days: Annotated[int, typer.Option(min=1, max=LINK_DAYS_MAX, help="For how long that link is good")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer")] = False,
    url: ServerUrl = "http://localhost:8000",
    key: ServerKey = None,
) -> None:
    """Show how many read a live blog, now and by the day."""
    key = _needed(key)
    from liveserver.cli.commands.reach import link_to, show

    if link:
        typer.echo(asyncio.run(link_to(url, key, slug, days=days)))
        return
    asked = {"from": since, "to": until, "partner": partner}
    query = {name: value for name, value in asked.items() if value is not None}
    asyncio.run(show(url, key, slug, query, as_json=as_json))


@app.command()
def tail(
    slug: Annotated[str, typer.Argument(help="The live blog")],
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=100, help="Earlier entries to show first")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the stream's messages, one a line")] = False,
    url: ServerUrl = "http://localhost:8000",
) -> None:
    """Follow a live blog in the terminal, until Ctrl+C."""

    async def follow() -> None:
        from liveserver.client import Client
        from liveserver.content.translations import texts_for

        async with Client(url, on_wait=tell_wait, on_silence=tell_silence) as client:
            snapshot = await client.snapshot(slug, limit=max(lines, 1))
            zone, texts = ZoneInfo(snapshot["liveblog"]["timezone"]), texts_for(snapshot["liveblog"]["language"])
            if not as_json:
                typer.echo(f"{snapshot['liveblog']['title']} ({snapshot['liveblog']['status']})\n")
            for entry in reversed(snapshot["entries"][:lines]):
                _show({"type": "entry", "seq": entry["seq"], "entry": entry}, zone, texts, as_json)
            position = Position(snapshot["epoch"], snapshot["seq"])
            async for message in client.follow(slug, position, on_state=_tell_state):
                _show(message, zone, texts, as_json)

    _leave_on_interrupt(0)
    asyncio.run(follow())


@app.command()
def bench(
    context: typer.Context,
    url: Annotated[str, typer.Option(help="The server: your own, as this is a burden on it")],
    slug: Annotated[
        str | None, typer.Option(help="The live blog; without it, one made for benchmarks is used or made")
    ] = None,
    key: ServerKey = None,
    viewers: Annotated[int, typer.Option("--viewers", "-n", help="Connections to hold, up to 100,000")] = 100,
    transport: Annotated[Transport, typer.Option(help="How they follow")] = Transport.WS,
    deflate: Annotated[bool, typer.Option(help="Offer permessage-deflate, as browsers do")] = True,
    rate: Annotated[float, typer.Option(help="Entries to publish a second, up to 100; 0 only watches")] = 2.0,
    duration: Annotated[float, typer.Option(help="Seconds to publish, up to 3600")] = 30.0,
    ramp: Annotated[float, typer.Option(help="Seconds over which viewers connect; 0: as fast as may be")] = 0.0,
    processes: Annotated[int, typer.Option(help="Processes that hold viewers; 0: as many as needed")] = 0,
    size: Annotated[int, typer.Option(help="Bytes of an entry's text")] = 400,
    pid: Annotated[
        list[int] | None, typer.Option(help="A process of the server on this machine, to be measured; may be repeated")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Don't delete the entries afterwards")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Publish into the live blog of --slug without asking")] = False,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file")] = None,
    as_html: Annotated[Path | None, typer.Option("--html", help="Write figures and plot to this page")] = None,
    as_svg: Annotated[Path | None, typer.Option("--svg", help="Write the plot to this picture")] = None,
) -> None:
    """Hold viewers on a server of yours, publish, and measure what arrives when."""
    from liveserver.cli.bench.command import Request
    from liveserver.cli.bench.command import bench as run
    from liveserver.cli.bench.errors import Refused
    from liveserver.cli.bench.plan import Plan

    # A key on the command line is there for this; one in the environment may be there for something else.
    source = context.get_parameter_source("key")
    given = source is not None and source.name == "COMMANDLINE"
    request = Request(
        url=url,
        plan=Plan(viewers, transport, deflate, rate, duration, ramp, processes, size),
        slug=slug,
        key=key_of(key),
        sure=yes or given,
        keep=keep,
        pids=tuple(pid or ()),
        json=as_json,
        html=as_html,
        svg=as_svg,
    )
    try:
        status = run(request, lambda question: sys.stdin.isatty() and typer.confirm(question, err=True))
    except Refused as error:
        _fail(str(error), 2)
    raise typer.Exit(status)


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


def _needed(key: str | None) -> str:
    found = key_of(key)
    if found is None:
        _fail("an API key is needed: --key, LIVESERVER_KEY or LIVESERVER_KEY_FILE (see `liveserver keys create`)", 2)
    return found


def _fail(message: str, status: int) -> NoReturn:
    tell(message)
    raise typer.Exit(status)


def main() -> None:
    """Run a command; every error of ours is one line and a non-zero status."""
    _leave_on_interrupt(130)
    gc.set_threshold(GC_THRESHOLD)
    try:
        take_client_variables()
        app()
    except SettingsError as error:
        sys.exit(_one_line(error, 2))
    except LiveserverError as error:
        from liveserver.client import ClientError, Unreachable

        advice = NOBODY if isinstance(error, Unreachable) else ""
        if isinstance(error, ClientError) and error.server:
            advice = f" ({error.server})"
        sys.exit(_one_line(error, 1, advice))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _leave_on_interrupt(status: int) -> None:
    """End at once and in silence on Ctrl+C; while it serves, the server has a better way.

    There is nothing to save: what the database has not committed was not promised.
    """

    def leave(*_: object) -> None:
        with suppress(Exception):
            sys.stdout.flush()
        os._exit(status)

    signal.signal(signal.SIGINT, leave)


def _one_line(error: Exception, status: int, advice: str = "") -> int:
    sys.stderr.write(f"liveserver: {' '.join(str(error).split()) or type(error).__name__}{advice}\n")
    return status
