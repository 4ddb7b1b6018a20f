"""Running a server by its settings: checks first, then one process or several."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
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
from liveserver.store.sqlite_file import alone, check

if TYPE_CHECKING:
    import socket

    from liveserver.server.uvicorn_server import Beside
    from liveserver.settings import Settings

log = structlog.get_logger(__name__)


def serve(settings: Settings, *, beside: Beside | None = None) -> None:
    """Run a server until SIGINT or SIGTERM. Raises SettingsError if the server can't start.

    `beside` runs on the event loop while connections are accepted, and is cancelled before the server's parts are
    closed; with several workers it never runs.
    """
    log_config.configure(settings)
    if unreadable := unreadable_lines():
        log.warning("settings.unreadable", lines=unreadable)
    if unknown := unknown_settings():
        log.warning("settings.unknown", meant=unknown)
    if settings.tls_certificate is not None:
        # Until there is a handler, the signal to read the certificate again would end us.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # Before the lock file is made, which would stay beside a file that is no database.
    check(settings.database_url)
    with listening(settings) as listener, _alone(settings):
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        # So an error of the database is reported once, in one line, before any process is started.
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


def _alone(settings: Settings) -> AbstractContextManager[None]:
    """Allow one server to an SQLite file without Redis: two wouldn't hear of each other's changes. Returns its lock."""
    if settings.redis_url is not None:
        return nullcontext()
    complaint = (
        f"a server runs on {database_of(settings)} already: stop it, or start this one in another folder, or with "
        "another --database (LIVESERVER_DATABASE_URL); two servers on one database need Redis (--redis)"
    )
    return alone(settings.database_url, complaint)


def _worker(settings: Settings, listener: socket.socket) -> None:
    log_config.configure(settings)
    try:
        process.run(settings, listener)
    except SettingsError as error:
        sys.exit(f"liveserver: {error}")
