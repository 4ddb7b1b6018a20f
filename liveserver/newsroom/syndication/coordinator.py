"""Following live blogs of other servers: what is published, edited and deleted there, is here.

One process follows a source at a time: it holds it for a few seconds, and takes hold again and again; when it dies,
another one finds the source free. What it writes says whom it believes to hold the source, and up to where it believes
to have got, so two that overlap do no harm (`store/repositories/sources.py`).

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
    from liveserver.domain.inputs.bodies import SourceInput
    from liveserver.newsroom.publisher import Publisher
    from liveserver.settings import Settings
    from liveserver.store import Store

LEASE = timedelta(seconds=5)
"""The time for which a process has a source to itself."""
LOOK = 1.5
"""Seconds between looks for sources: with LEASE, that is how long one is without a follower at most."""

log = structlog.get_logger(__name__)


def made(slug: str, given: SourceInput, at: datetime, settings: Settings) -> Source:
    """A source, to be stored. Raises InvalidInput."""
    server, remote_slug = live_page(given.url)
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
        partner=given.partner,
        name=given.attribution.text if given.attribution else None,
        url=given.attribution.url if given.attribution else None,
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
        # A name, which is judged when it is looked up.
        return host == "localhost"


class SyndicationCoordinator:
    """One process's part in following: it looks for sources that nobody follows, and follows them."""

    def __init__(
        self, store: Store, publisher: Publisher, library: MediaLibrary, settings: Settings, *, node: str
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._library = library
        self._sanitising = SanitiserPool(threads=1)
        """For all sources: however many dear texts they send, editors' have threads of their own."""
        self._settings = settings
        self._node = node
        self._look_now = asyncio.Event()
        self._following: dict[str, asyncio.Task[None]] = {}

    async def follow(self, slug: str, given: SourceInput) -> Source:
        """Have a live blog follow another. Raises NotFound, InvalidInput, and Conflict if it follows one already."""
        source = await self._store.sources.add(made(slug, given, now(), self._settings))
        self._look_now.set()
        return source

    async def source(self, slug: str) -> Source:
        """The source that a live blog follows. Raises NotFound."""
        return await self._store.sources.find(slug, now())

    async def stop(self, slug: str) -> None:
        """Follow it no more. Raises NotFound."""
        await self._store.sources.remove(slug)
        self._look_now.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        await Periodic(
            self._look,
            lambda: LOOK,
            log=log,
            failure_event="syndication.broken",
            # What is followed is still ours as far as we know; who writes is asked by the store.
            expected=(StoreUnavailable,),
            wake=self._look_now,
        ).run()

    async def close(self) -> None:
        """Stop following, and leave the sources to others."""
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
