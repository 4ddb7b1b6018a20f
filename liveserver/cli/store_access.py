"""The store for commands that read and write the database without a server. Servers that run on the same database
notice changes within two seconds."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from liveserver.cli.terminal import tell
from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from liveserver.settings import Settings
    from liveserver.store import Store

T = TypeVar("T")


def on_store(settings: Settings, work: Callable[[Store], Awaitable[T]], *, new: bool = False) -> T:
    """Open the store, run `work` with it, close the store, and return the result of `work`.

    `new`: True to make a database if none exists, and print a message that it was made. False to raise SettingsError if
    none exists. Raises the errors of `work`, too.
    """

    async def run() -> T:
        async with existing_store(settings, new=new) as store:
            return await work(store)

    return asyncio.run(run())


@asynccontextmanager
async def existing_store(settings: Settings, *, new: bool = False) -> AsyncIterator[Store]:
    """Open the store, and close it when this context ends.

    `new`: True to make a database if none exists, and print a message that it was made. False to raise SettingsError if
    none exists.
    """
    from liveserver.store.sqlite_file import missing

    # A command that reads or changes something needs an existing database. If a wrong address made a new one, which is
    # empty, the operator wouldn't notice the mistake.
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
    """Open the store, and close it when this context ends. If there is no database, make one."""
    from liveserver.server import log_config
    from liveserver.store import Store

    # The command's own output tells what it changed. The log on standard error has warnings only, unless somebody has
    # asked for more.
    asked = "log_level" in settings.model_fields_set
    log_config.configure(settings if asked else settings.model_copy(update={"log_level": "warning"}))
    store = await Store.open(settings.database_url)
    try:
        yield store
    finally:
        await store.close()
