"""Handling of Ctrl+C. Most commands end immediately. Some commands clean up before they end, also on SIGTERM.

Commands that clean up don't use KeyboardInterrupt, for two reasons. First, the standard library and SQLAlchemy call
`exec` with a string. If a KeyboardInterrupt was ever raised within such a call, Python ends its own process by SIGINT
when it exits. Catching the exception doesn't prevent this. Second, if the signal comes before the task of `asyncio.run`
has begun, `asyncio.run` may end with a CancelledError.
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
"""The usual exit status of a command that Ctrl+C ends; within `interruptible`, also of a command that SIGTERM ends.
Shells use the same status for Ctrl+C."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def leave_on_interrupt(status: int) -> None:
    """Make Ctrl+C end the process immediately and silently, with the exit status `status`.

    Nothing needs to be saved first: the server has committed all that it confirmed. `liveserver serve` replaces this
    signal handler by its own handler.
    """

    def leave(*_: object) -> None:
        with suppress(Exception):
            sys.stdout.flush()
        os._exit(status)

    signal.signal(signal.SIGINT, leave)


@contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGINT and SIGTERM raise SystemExit with the status `INTERRUPTED` within this context. Use the context in
    the main thread only."""
    former = [signal.getsignal(number) for number in SIGNALS]
    _handle(_leave)
    try:
        yield
    finally:
        for number, handler in zip(SIGNALS, former, strict=True):
            signal.signal(number, handler)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new event loop, and return its result. Within `interruptible`, a signal cancels the
    coroutine.

    Raises SystemExit if a signal came and the coroutine then ended with any error. If the coroutine ended without an
    error in spite of a signal, returns its result. Without a signal, raises the coroutine's errors.
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
