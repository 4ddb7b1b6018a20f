"""The store of commands that work on the database itself, also while servers run; they notice within two seconds."""

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

    `new`: make a database, and tell of it, where there is none.
    """

    async def run() -> T:
        async with existing_store(settings, new=new) as store:
            return await work(store)

    return asyncio.run(run())


@asynccontextmanager
async def existing_store(settings: Settings, *, new: bool = False) -> AsyncIterator[Store]:
    """Open the store. Raises SettingsError where there is no database, unless it may be `new`: then one is made."""
    from liveserver.store.sqlite_file import missing

    # What can only be read or changed is nowhere but in the database that is meant: an empty one would hide a mistake.
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
    """Open the store, and make a database where there is none."""
    from liveserver.server import log_config
    from liveserver.store import Store

    # The log on standard error tells of changes, as a server's does; at a terminal the answer does.
    log_config.configure(settings.model_copy(update={"log_level": "warning"}) if attended() else settings)
    store = await Store.open(settings.database_url)
    try:
        yield store
    finally:
        await store.close()
