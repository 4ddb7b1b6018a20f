"""The output of commands: tables and JSON on standard output, messages on standard error."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import orjson
import typer

from liveserver.domain.ids import now
from liveserver.protocol.json_encoding import timestamp
from liveserver.utils.text_table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

WORTH_TELLING = 1.0
"""The shortest pause, in seconds, that a message announces. A shorter pause is over before anybody has read the
message."""


def attended() -> bool:
    """True if standard error is a terminal."""
    return sys.stderr.isatty()


def is_read_here() -> bool:
    """True if standard output goes to a terminal; False for a file, a pipe, or `$(…)` in a shell."""
    return sys.stdout.isatty()


def tell(message: str) -> None:
    """Print a message on standard error, as a line that begins with `liveserver:`."""
    typer.echo(f"liveserver: {message}", err=True)


def tell_wait(reason: str, seconds: float) -> None:
    """Print the reason and the seconds of a pause on standard error, unless the pause is shorter than
    `WORTH_TELLING`."""
    if seconds >= WORTH_TELLING:
        tell(f"{reason}; trying again in {math.ceil(seconds)} s")


def tell_silence(url: str) -> None:
    """Print on standard error that the server at `url` gives no answer, and that the command tries again."""
    tell(f"nobody answers at {url}; trying again for some seconds")


def fail(message: str, status: int) -> NoReturn:
    """Print a message on standard error as `tell` does, and end the command: raises typer.Exit with the status."""
    tell(message)
    raise typer.Exit(status)


def print_table(rows: Sequence[Sequence[str]], *, figures: bool = False) -> None:
    """Print rows of cells on standard output, in columns that are aligned to the left.

    `figures`: True to align all columns except the first to the right.
    """
    for line in aligned(rows, figures=figures):
        typer.echo(line)


def print_json(value: Any) -> None:
    """Print a value as indented JSON on standard output."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def expiry(expires_at: datetime) -> str:
    """Return `expired TIME` if the time `expires_at` has come, otherwise `expires TIME`. TIME is in the format of RFC
    3339."""
    return f"{'expired' if expires_at <= now() else 'expires'} {timestamp(expires_at)}"
