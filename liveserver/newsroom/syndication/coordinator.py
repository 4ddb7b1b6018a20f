"""The coordinator: decides which process follows which source.

One process follows a source at a time. It holds the source by a lease of a few seconds, which it renews again and
again; when it dies, another process finds the source free. Each of its writes names the holder and the position that it
assumes, so two processes that overlap do no harm (`store/repositories/sources.py`).

`newsroom/syndication/follower.py` follows one source.
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
    from liveserver.newsroom.publisher import Publisher
    from liveserver.settings import Settings
    from liveserver.store import Store

LEASE = timedelta(seconds=5)
"""The time for which a process holds a source, unless it renews the lease."""
LOOK = 1.5
"""Seconds between queries for free sources. A source is without a follower for LEASE and this at most."""

log = structlog.get_logger(__name__)


def new_source(slug: str, source_input: SourceInput, at: datetime, settings: Settings) -> Source:
    """Make a source from input, to be stored. Raises InvalidInput."""
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
        # It is a name, whose addresses are checked when it is looked up.
        return host == "localhost"


class SyndicationCoordinator:
    """The coordinator of one process: it looks for free sources, and follows them."""

    def __init__(
        self, store: Store, publisher: Publisher, library: MediaLibrary, settings: Settings, *, node: str
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._library = library
        self._sanitising = SanitiserPool(threads=1)
        """A single thread for all sources: however many long texts they send, editors' texts have their own threads."""
        self._settings = settings
        self._node = node
        self._look_now = asyncio.Event()
        self._following: dict[str, asyncio.Task[None]] = {}

    async def follow(self, slug: str, source_input: SourceInput) -> Source:
        """Let a live blog follow another one. Raises NotFound, InvalidInput, and Conflict if it follows one already."""
        source = await self._store.sources.add(new_source(slug, source_input, now(), self._settings))
        self._look_now.set()
        return source

    async def source(self, slug: str) -> Source:
        """Return the source that a live blog follows. Raises NotFound."""
        return await self._store.sources.find(slug, now())

    async def stop(self, slug: str) -> None:
        """Let a live blog follow its source no more. Raises NotFound."""
        await self._store.sources.remove(slug)
        self._look_now.set()

    async def run(self) -> None:
        """Look for sources until cancelled."""
        await Periodic(
            self._look,
            lambda: LOOK,
            log=log,
            failure_event="syndication.broken",
            # We go on following: our sources are still ours as far as we know, and the store checks that at each write.
            expected=(StoreUnavailable,),
            wake=self._look_now,
        ).run()

    async def close(self) -> None:
        """Stop following, and free the sources for other processes."""
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
