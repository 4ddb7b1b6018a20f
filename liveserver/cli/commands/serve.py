"""`liveserver serve` runs the server; `liveserver config` prints the settings with which the server would run."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from liveserver.cli.options import with_settings
from liveserver.cli.terminal import attended
from liveserver.domain.errors import LiveserverError
from liveserver.settings import Settings, flag_of, load

if TYPE_CHECKING:
    from collections.abc import Collection

    from liveserver.http.container import Container

OF_LINKS = ("database_url", "public_url", "host", "port", "tls_certificate")
"""The settings that `liveserver users` needs: the database, and those from which the address in a link is made."""

FIRST_OWNER = """
  Nobody can sign in yet. In another terminal, in the folder {folder}, make the first owner:

    {command}

  It prints a link. Whoever opens it chooses a password, and is signed in at {url}/desk.
"""


@with_settings()
def serve(flags: dict[str, Any]) -> None:
    """Run the server."""
    from liveserver.server.serve import serve as run

    async def greet(parts: Container) -> None:
        # If the database doesn't answer, the log reports that. The hint isn't worth an error.
        with suppress(LiveserverError):
            if not (await parts.store.users.page(limit=1))[0]:
                typer.echo(first_owner(parts.settings, flags), err=True)

    run(load(**flags), beside=greet if attended() else None)


def first_owner(settings: Settings, flags: Collection[str]) -> str:
    """Return the hint that says how to make the first owner of a server with these settings.

    `flags`: the names of the settings that the server got on its command line. The hint's command repeats those that
    are in OF_LINKS.
    """
    values = settings.redacted()
    options = [f"{flag_of(name)} {shlex.quote(str(values[name]))}" for name in OF_LINKS if name in flags]
    command = " ".join(["liveserver users invite NAME --role owner", *options])
    return FIRST_OWNER.format(folder=Path.cwd(), command=command, url=settings.base_url)


@with_settings()
def config(settings: Settings) -> None:
    """Show the settings in force, passwords hidden."""
    for name, value in settings.redacted().items():
        shown = "" if value is None else value
        typer.echo(f"LIVESERVER_{name.upper()}={shown}")
