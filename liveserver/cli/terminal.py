"""What commands print: tables and JSON on standard output, and lines of their own on standard error."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import orjson
import typer

from liveserver.domain.ids import now
from liveserver.protocol.encoding import timestamp
from liveserver.utils.text_table import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

WORTH_TELLING = 1.0
"""Seconds from which a pause is told: a shorter one is over before that is read."""


def attended() -> bool:
    """Return whether standard error is a terminal, where somebody reads it as it is written."""
    return sys.stderr.isatty()


def tell(message: str) -> None:
    """Print a line on standard error, which says that it is ours."""
    typer.echo(f"liveserver: {message}", err=True)


def tell_wait(why: str, seconds: float) -> None:
    """Print why a command pauses, and for how many seconds; nothing for less than `WORTH_TELLING`."""
    if seconds >= WORTH_TELLING:
        tell(f"{why}; trying again in {math.ceil(seconds)} s")


def tell_silence(url: str) -> None:
    """Print that a server gives no answer, and that the command tries again."""
    tell(f"nobody answers at {url}; trying again for some seconds")


def fail(message: str, status: int) -> NoReturn:
    """Print a line on standard error, and end the command with an exit status."""
    tell(message)
    raise typer.Exit(status)


def print_table(rows: Sequence[Sequence[str]], *, figures: bool = False) -> None:
    """Print rows in columns; `figures`: all but the first column are aligned to the right."""
    for line in aligned(rows, figures=figures):
        typer.echo(line)


def print_json(value: Any) -> None:
    """Print an object as JSON, indented."""
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def expiry(expires_at: datetime) -> str:
    """Return since when, or until when, something is good: `expired …`, `expires …`."""
    return f"{'expired' if expires_at <= now() else 'expires'} {timestamp(expires_at)}"
