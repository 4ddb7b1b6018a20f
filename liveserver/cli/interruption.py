"""Commands that end at once on Ctrl+C; and those that tidy up before it, or a SIGTERM, ends them.

The latter not by KeyboardInterrupt: Python ends by SIGINT, after all its tidying up, if one was ever raised within
`exec` of a string, as the standard library and SQLAlchemy use it, though it was caught there and then; and
`asyncio.run` may end in a CancelledError if the signal comes before the task has begun.
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
    """End with an exit status, at once and in silence, on Ctrl+C; while it serves, the server has a better way.

    There is nothing to save: what the database has not committed was not promised.
    """

    def leave(*_: object) -> None:
        with suppress(Exception):
            sys.stdout.flush()
        os._exit(status)

    signal.signal(signal.SIGINT, leave)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise SystemExit wherever a signal finds the process within; from the main thread only."""
    former = [signal.getsignal(number) for number in SIGNALS]
    _handle(_leave)
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, former, strict=True):
            signal.signal(number, handler)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own and return its result; within `interruptible`, a signal cancels it.

    Raises SystemExit once it has ended after a signal, however it ended, unless it had its result already.
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
