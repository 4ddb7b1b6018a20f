"""Running a server by its settings. First the settings are checked, then one process or several are started."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import structlog

from liveserver.content.media import storage
from liveserver.domain.errors import SettingsError
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.page_renderer import PageRenderer
from liveserver.rendering.urls import Urls
from liveserver.server import log_config, process
from liveserver.server.certificates import configured_certificate
from liveserver.server.listener import listening
from liveserver.server.supervisor import Supervisor
from liveserver.settings import database_of, unknown_settings, unreadable_lines
from liveserver.store import Store
from liveserver.store.sqlite_file import check, locked

if TYPE_CHECKING:
    import socket
    from contextlib import AbstractContextManager

    from liveserver.server.uvicorn_server import Beside
    from liveserver.settings import Settings

log = structlog.get_logger(__name__)


def serve(settings: Settings, *, beside: Beside | None = None) -> None:
    """Run a server until SIGINT or SIGTERM comes. Raises SettingsError if the server can't start.

    `beside` is a coroutine function that runs once, on the event loop beside the server. It begins when the server
    begins to accept connections, and is cancelled before the server's parts are closed. With several workers it never
    runs.
    """
    log_config.configure(settings)
    if unreadable := unreadable_lines():
        log.warning("settings.unreadable", lines=unreadable)
    if unknown := unknown_settings():
        log.warning("settings.unknown", meant=unknown)
    if settings.tls_certificate is not None:
        # SIGHUP asks the server to read its certificate again. Until there is a handler, the signal would end this
        # process.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # This check comes before `lock` makes a lock file, which would stay beside a file that is no database.
    check(settings.database_url)
    with listening(settings) as listener, lock(settings):
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        # The settings are checked before any process is started, so that an error is reported only once, in one line.
        asyncio.run(_check(settings))
        if settings.workers == 1:
            process.run(settings, listener, beside)
        else:
            Supervisor(_worker, settings, listener).run()


async def _check(settings: Settings) -> None:
    configured_certificate(settings)
    PageRenderer(EntryRenderer(Urls(settings.base_url)))
    storage.check(settings)
    await (await Store.open(settings.database_url)).close()


def lock(settings: Settings) -> AbstractContextManager[None]:
    """Return a context manager that holds the lock of an SQLite file, so that only servers with Redis share the file.

    Without Redis, a server wouldn't hear of another one's changes, nor the other one of its own. With PostgreSQL, no
    lock is taken. Entering the context raises SettingsError if another server, or a restore, holds the lock, or if the
    lock's file can't be written.
    """
    database = database_of(settings)
    if settings.redis_url is not None:
        complaint = (
            f"a server without Redis runs on {database} already, or a restore: stop it, or give that server the same "
            "--redis (LIVESERVER_REDIS_URL), too; servers on one database need Redis, all of them"
        )
    else:
        complaint = (
            f"a server runs on {database} already: stop it, or start this one in another folder, or with another "
            "--database (LIVESERVER_DATABASE_URL); two servers on one database need Redis (--redis), both of them"
        )
    return locked(settings.database_url, complaint, shared=settings.redis_url is not None)


def _worker(settings: Settings, listener: socket.socket) -> None:
    log_config.configure(settings)
    try:
        # Workers go on for a moment if the first process, which has the lock, too, is killed.
        with lock(settings):
            process.run(settings, listener)
    except SettingsError as error:
        sys.exit(f"liveserver: {error}")
