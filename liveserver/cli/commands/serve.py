"""`liveserver serve` runs the server; `liveserver config` prints the settings with which the server would run."""

from __future__ import annotations

import typer

from liveserver.cli.options import with_settings
from liveserver.settings import Settings


@with_settings()
def serve(settings: Settings) -> None:
    """Run the server."""
    from liveserver.server.serve import serve as run

    run(settings)


@with_settings()
def config(settings: Settings) -> None:
    """Show the settings in force, passwords hidden."""
    for name, value in settings.redacted().items():
        shown = "" if value is None else value
        typer.echo(f"LIVESERVER_{name.upper()}={shown}")
