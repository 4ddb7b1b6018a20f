"""Handling of Ctrl+C: commands that end at once; and commands that clean up first, also on SIGTERM.

The latter don't use KeyboardInterrupt, for two reasons. If one was ever raised within `exec` of a string, which the
standard library and SQLAlchemy use, Python ends itself by SIGINT after its clean-up, even if the exception was caught.
And `asyncio.run` may end in a CancelledError if the signal comes before the task has begun.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from types import FrameType

    Handler = Callable[[int, FrameType | None], object]

T = TypeVar("T")

INTERRUPTED = 130
"""Exit status of a command that a signal has ended, as shells give it for Ctrl+C."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def leave_on_interrupt(status: int) -> None:
    """Let Ctrl+C end the process at once and silently, with an exit status. A serving process handles it itself.

    There is nothing to save: nobody was promised anything that isn't committed.
    """

    def leave(*_: object) -> None:
        with suppress(Exception):
            sys.stdout.flush()
        os._exit(status)

    signal.signal(signal.SIGINT, leave)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal raise SystemExit within this context. For the main thread only."""
    former = [signal.getsignal(number) for number in SIGNALS]
    _handle(_leave)
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, former, strict=True):
            signal.signal(number, handler)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own and return its result; within `interruptible`, a signal cancels it.

    Raises SystemExit if a signal came and the coroutine ended with any error. If it had its result already, returns it.
    """
    interrupted = False

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def cancel(*_: object) -> None:
            nonlocal interrupted
            interrupted = True
            loop.call_soon_threadsafe(task.cancel)

        former = signal.getsignal(signal.SIGINT)
        if former is _leave:
            _handle(cancel)
        try:
            return await main
        finally:
            if former is _leave:
                _handle(_leave)

    try:
        return asyncio.run(cancellable())
    except (Exception, asyncio.CancelledError):
        if interrupted:
            raise SystemExit(INTERRUPTED) from None
        raise
    finally:
        main.close()


def _handle(handler: Handler) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(INTERRUPTED)
