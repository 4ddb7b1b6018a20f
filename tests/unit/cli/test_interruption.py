"""Commands that a signal ends have tidied up then, wherever it found them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from liveserver.cli.interruption import INTERRUPTED, SIGNALS, interruptible, run

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.parametrize("number", SIGNALS)


@pytest.fixture(autouse=True)
def handlers_of_a_terminal() -> Iterator[None]:
    """Those that Python has at a terminal: `nohup` and a shell's `&` leave SIGINT ignored, and asyncio leaves it so."""
    former = [signal.getsignal(number) for number in SIGNALS]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in zip(SIGNALS, former, strict=True):
        signal.signal(number, handler)


def test_in_a_plain_function(number: signal.Signals) -> None:
    """The clean-up of the function is done; then signals do what they did before."""
    former = signal.getsignal(number)
    tidied = Mock()
    with pytest.raises(SystemExit) as caught:
        _interrupted(number, tidied)
    tidied.assert_called_once()
    assert caught.value.code == INTERRUPTED
    assert signal.getsignal(number) is former


def _interrupted(number: signal.Signals, tidied: Mock) -> None:
    with interruptible(), ExitStack() as stack:
        stack.callback(tidied)
        signal.raise_signal(number)


def test_in_a_coroutine(number: signal.Signals) -> None:
    """It is cancelled where it waits, and may itself wait for what it tidies up."""
    tidied = False

    async def main() -> None:
        nonlocal tidied
        signal.raise_signal(number)
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied = True

    with pytest.raises(SystemExit) as caught, interruptible():
        run(main())
    assert tidied
    assert caught.value.code == INTERRUPTED


def test_an_error_after_the_signal(number: signal.Signals) -> None:
    """The error that a library makes of being cancelled isn't told."""

    async def main() -> None:
        signal.raise_signal(number)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("closed in the middle") from None

    with pytest.raises(SystemExit) as caught, interruptible():
        run(main())
    assert caught.value.code == INTERRUPTED


def test_a_result_that_is_there(number: signal.Signals) -> None:
    """The signal came too late; the next one, outside of the coroutine, doesn't."""

    async def main() -> int:
        signal.raise_signal(number)
        return 7

    with interruptible():
        assert run(main()) == 7
        with pytest.raises(SystemExit):
            signal.raise_signal(number)


def test_the_status_of_the_process(number: signal.Signals) -> None:
    """Also when the signal comes within `exec` of a string, after which Python would end by SIGINT."""
    program = f"""
import signal
from liveserver.cli.interruption import interruptible
with interruptible():
    exec("signal.raise_signal({number.value})")
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == INTERRUPTED


def test_errors_without_a_signal(number: signal.Signals) -> None:
    """They stay what they are, and signals outside of `interruptible` are left to asyncio."""
    former = signal.getsignal(number)

    async def main() -> None:
        assert signal.getsignal(number) is not former or number is signal.SIGTERM
        raise ValueError("no backup")

    with pytest.raises(ValueError, match="no backup"):
        run(main())
