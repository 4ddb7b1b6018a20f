"""`liveserver migrate`, `backup` and `restore`: commands for the database as a whole."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from liveserver.cli.interruption import interruptible
from liveserver.cli.options import with_settings
from liveserver.settings import Settings


@with_settings("database_url")
def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date."""
    from liveserver.store import migrate as run

    before, after = asyncio.run(run(settings.database_url))
    typer.echo(
        f"The schema is at {after}." if before == after else f"The schema went from {before or 'nothing'} to {after}."
    )


@with_settings("database_url")
def backup(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="Where to write it, or - for standard output")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists")] = False,
) -> None:
    """Write the content of the database to one file; servers may run meanwhile. Pictures aren't in the database."""
    from liveserver.cli.backup_files import about_pictures, write_backup

    with interruptible():
        typer.echo(write_backup(settings.database_url, file, force=force), err=str(file) == "-")
        typer.echo(about_pictures(settings, "copy the folder {}, too"), err=str(file) == "-")


@with_settings("database_url")
def restore(
    settings: Settings,
    file: Annotated[Path, typer.Argument(help="What `liveserver backup` wrote, or - for standard input")],
    force: Annotated[bool, typer.Option("--force", help="Replace the live blogs that the database holds")] = False,
) -> None:
    """Replace all that the database holds by the content of a backup. Open pages load a new snapshot."""
    from liveserver.cli.backup_files import about_pictures, restore_backup

    with interruptible():
        typer.echo(restore_backup(settings.database_url, file, force=force))
        typer.echo(about_pictures(settings, "put your copy of them into {}"))
