"""What commands say beside their output, on standard error."""

from __future__ import annotations

import math
import sys

import typer

WORTH_TELLING = 1.0
"""Seconds of waiting that nobody is told of: they are over before they are read."""


def attended() -> bool:
    """Whether somebody reads it as it is written."""
    return sys.stderr.isatty()


def tell(message: str) -> None:
    """One line, which says that it is ours."""
    typer.echo(f"liveserver: {message}", err=True)


def tell_wait(why: str, seconds: float) -> None:
    """Why a command does nothing for a while, and for how long."""
    if seconds >= WORTH_TELLING:
        tell(f"{why}; trying again in {math.ceil(seconds)} s")


def tell_silence(url: str) -> None:
    """That a server gives no answer, and that a command doesn't give up so soon."""
    tell(f"nobody answers at {url}; trying again for some seconds")
