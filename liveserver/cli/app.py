"""The command line: the list of commands, and their exit statuses."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from typing import Annotated

import typer

from liveserver import __version__
from liveserver.cli.commands import (
    bench,
    database,
    demo,
    follow,
    keys,
    partners,
    publish,
    reach,
    serve,
    tail,
    takedown,
)
from liveserver.cli.commands.people import audit
from liveserver.cli.interruption import INTERRUPTED, leave_on_interrupt
from liveserver.cli.options import LOGGING
from liveserver.cli.terminal import tell
from liveserver.domain.errors import LiveserverError, SettingsError
from liveserver.settings import take_client_variables, unknown_settings

GC_THRESHOLD = 50_000
"""The number of new objects after which Python's garbage collector runs. Imports make many objects that stay in memory.
With Python's own threshold, the collector examined these objects again and again. That took a fourteenth of the
server's start-up time."""
NOBODY = ": start it (`liveserver serve`), or give another address with --url (LIVESERVER_URL)"
"""Advice for the user, appended to the error message if the server doesn't answer."""

app = typer.Typer(
    name="liveserver",
    help="A self-hosted, real-time live-blog server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
        # If `.env` can't be read, the commands that need `.env` report the error.
        with suppress(OSError, UnicodeDecodeError):
            _tell_unknown_settings()


def _tell_unknown_settings() -> None:
    for variable, meant in unknown_settings().items():
        tell(f"{variable} is no setting" + (f": perhaps {meant} is meant" if meant else ""))


# The commands are in the order in which the help lists them. Modules that take long to import (the store, the server,
# the client) are imported by the functions that need them: all these imports take longer than most commands.
for command in (
    serve.serve,
    demo.demo,
    database.migrate,
    database.backup,
    database.restore,
    serve.config,
    follow.follow,
    publish.publish,
    takedown.takedown,
    reach.reach,
    audit.audit,
    tail.tail,
    bench.bench,
):
    app.command()(command)
app.add_typer(keys.app, name="keys")
app.add_typer(partners.app, name="partners")


def main() -> None:
    """Run the command that the user typed.

    An error of ours (LiveserverError) isn't raised: it is printed as one line on standard error. Then the exit status
    is 2 for a SettingsError, and 1 for any other LiveserverError.
    """
    leave_on_interrupt(INTERRUPTED)
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


def _one_line(error: Exception, status: int, advice: str = "") -> int:
    """Print an error, followed by advice for the user, as one line on standard error. Return `status`."""
    sys.stderr.write(f"liveserver: {' '.join(str(error).split()) or type(error).__name__}{advice}\n")
    return status
