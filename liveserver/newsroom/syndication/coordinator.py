"""The coordinator, which decides which sources this process follows. (A source is a live blog of another server.)

Only one process at a time holds a source, and follows it. It holds the source by a lease of a few seconds, and renews
the lease again and again. If the process dies, its lease ends, and another process finds the source free. Each write
for a source names the process that writes. A write that moves the source's position also names the position before the
move. The store refuses a write if another process, or another position, is recorded. So no harm is done if two
processes follow a source for a moment (`store/repositories/sources.py`).

The coordinator starts a follower (`newsroom/syndication/follower.py`) for each source that this process holds.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from liveserver.client import ClientError
from liveserver.client.requests import server_url
from liveserver.content.sanitiser_pool import SanitiserPool
from liveserver.domain.errors import FieldError, InvalidInput, StoreUnavailable
from liveserver.domain.ids import now
from liveserver.domain.inputs.fields import live_page
from liveserver.domain.source import Source, SourceState
from liveserver.newsroom.syndication.follower import Follower
from liveserver.newsroom.syndication.ssrf_guard import is_public
from liveserver.utils.background import Periodic

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.content.media.library import MediaLibrary
    from liveserver.domain.inputs.models import SourceInput
    from liveserver.domain.people.principal import Principal
    from liveserver.newsroom.publisher import Publisher
    from liveserver.settings import Settings
    from liveserver.store import Store

LEASE = timedelta(seconds=5)
"""The time for which a process holds a source. The process renews the lease before this time is over."""
LOOK = 1.5
"""Seconds between two queries for free sources. Each query also renews the leases of this process. If the process that
follows a source dies, another process follows the source after at most LEASE plus LOOK."""

log = structlog.get_logger(__name__)


def new_source(slug: str, source_input: SourceInput, at: datetime, settings: Settings) -> Source:
    """Return a new source made from an editor's input, for the caller to store.

    `slug`: our live blog that is to follow the source. `at`: the time now. Raises InvalidInput if the source's URL has
    no valid host, is the URL of our live blog itself, or has a private address that the settings don't permit.
    """
    server, remote_slug = live_page(source_input.url)
    try:
        server_url(server)
    except ClientError:
        raise InvalidInput([FieldError("/url", "must name a host that can be looked up, or an address")]) from None
    if server == settings.base_url and remote_slug == slug:
        raise InvalidInput([FieldError("/url", "is this live blog itself")])
    if not settings.follow_private and _is_private(urlsplit(server).hostname or ""):
        raise InvalidInput([FieldError("/url", "is at a private address (LIVESERVER_FOLLOW_PRIVATE allows it)")])
    return Source(
        id=secrets.token_hex(8),
        slug=slug,
        server=server,
        remote_slug=remote_slug,
        partner=source_input.partner,
        name=source_input.attribution.text if source_input.attribution else None,
        url=source_input.attribution.url if source_input.attribution else None,
        position=None,
        state=SourceState.WAITING,
        error=None,
        told=None,
        heard_at=None,
        created_at=at,
    )


def _is_private(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        # The host is a name, not an address. Its addresses are checked when it is looked up (`SsrfGuard`).
        return host == "localhost"


class SyndicationCoordinator:
    """The coordinator of one process. It looks for free sources, holds them, and starts a follower for each source."""

    def __init__(
        self, store: Store, publisher: Publisher, library: MediaLibrary, settings: Settings, *, node: str
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._library = library
        self._sanitising = SanitiserPool(threads=1)
        """The one thread that sanitises the long texts of all sources. Editors' texts have threads of their own, and so
        never wait for texts of sources."""
        self._settings = settings
        self._node = node
        self._look_now = asyncio.Event()
        self._following: dict[str, asyncio.Task[None]] = {}

    async def follow(self, slug: str, source_input: SourceInput, by: Principal) -> Source:
        """Let one of our live blogs follow a live blog of another server, and return the source.

        Raises InvalidInput as `new_source` does. Raises NotFound if our live blog doesn't exist. Raises Conflict if our
        live blog follows a source already.
        """
        source = await self._store.sources.add(new_source(slug, source_input, now(), self._settings), by)
        self._look_now.set()
        return source

    async def source(self, slug: str) -> Source:
        """Return the source of a live blog. Raises NotFound if the live blog doesn't exist, or follows no source."""
        return await self._store.sources.find(slug, now())

    async def stop(self, slug: str, by: Principal) -> None:
        """Let a live blog stop following its source.

        Raises NotFound if the live blog doesn't exist, or follows no source.
        """
        await self._store.sources.remove(slug, by, now())
        self._look_now.set()

    async def run(self) -> None:
        """Until cancelled, look for free sources, and follow all sources that this process holds."""
        await Periodic(
            self._look,
            lambda: LOOK,
            log=log,
            failure_event="syndication.broken",
            # If the store is unavailable, the followers go on: as far as this process knows, it holds the sources. At
            # each write, the store checks whether the process holds the source.
            expected=(StoreUnavailable,),
            wake=self._look_now,
        ).run()

    async def close(self) -> None:
        """Stop all followers, and free the sources of this process, so that other processes can hold them."""
        await self._cancel(list(self._following))
        with suppress(StoreUnavailable):
            await self._store.sources.release(self._node)

    async def _look(self) -> None:
        held = {source.id: source for source in await self._store.sources.hold(self._node, now(), LEASE)}
        await self._cancel([key for key, task in self._following.items() if key not in held or task.done()])
        for source in held.values():
            if source.id not in self._following:
                follower = Follower(
                    source,
                    self._node,
                    self._store,
                    self._publisher,
                    self._library,
                    self._sanitising,
                    self._settings,
                )
                self._following[source.id] = asyncio.create_task(follower.run(), name=f"following {source.slug}")

    async def _cancel(self, ids: list[str]) -> None:
        tasks = [self._following.pop(key) for key in ids]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
