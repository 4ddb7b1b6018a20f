"""The store for commands that work on the database itself. Running servers notice within two seconds."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from liveserver.cli.terminal import attended, tell
from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from liveserver.settings import Settings
    from liveserver.store import Store

T = TypeVar("T")


def on_store(settings: Settings, work: Callable[[Store], Awaitable[T]], *, new: bool = False) -> T:
    """Run a coroutine function on the store, and return its result. Raises as `existing_store` does.

    `new`: if there is no database, make one, and print that.
    """

    async def run() -> T:
        async with existing_store(settings, new=new) as store:
            return await work(store)

    return asyncio.run(run())


@asynccontextmanager
async def existing_store(settings: Settings, *, new: bool = False) -> AsyncIterator[Store]:
    """Open the store. If there is no database, raise SettingsError, or make one if `new`."""
    from liveserver.store.sqlite_file import missing

    # A command that only reads or changes needs an existing database: an empty new one would hide a mistake.
    if (path := missing(settings.database_url)) is not None and not new:
        raise SettingsError(
            f"there is no database at {path}: give the server's own with --database (LIVESERVER_DATABASE_URL), "
            "or have `liveserver serve` make one"
        )
    async with open_store(settings) as store:
        if path is not None:
            tell(f"there was no database: made a new one at {path}")
        yield store


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Open the store; make a database if there is none."""
    from liveserver.server import log_config
    from liveserver.store import Store

    # The log on standard error reports changes, as a server's does; at a terminal the command's output is enough.
    log_config.configure(settings.model_copy(update={"log_level": "warning"}) if attended() else settings)
    store = await Store.open(settings.database_url)
    try:
        yield store
    finally:
        await store.close()
