"""The composition root, which makes and connects the parts of one process, starts them in order, and ends them."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from liveserver.access.api_keys import ApiKeys
from liveserver.access.body_budget import json_budget, upload_budget
from liveserver.access.partner_admission import PartnerAdmission
from liveserver.access.people.desk_sessions import DeskSessions
from liveserver.access.people.passwords import LENGTH_MAX, LENGTH_MIN
from liveserver.access.people.sign_in import SignIn
from liveserver.access.people.ways import passkeys_of, provider_of
from liveserver.access.request_limits import RequestLimits
from liveserver.content.embed_providers import EmbedProviders
from liveserver.content.media import storage
from liveserver.content.media.library import MediaLibrary
from liveserver.content.media.quota import MediaQuota, QuotaTerms
from liveserver.content.media.transcoder_pool import TranscoderPool
from liveserver.http.container import Container
from liveserver.http.fair_queue import FairQueue
from liveserver.http.metrics import Metrics
from liveserver.http.pages.media_files import REST_MAX
from liveserver.http.pages.reader import INDEX_SIZE, html_representation
from liveserver.http.responses.page_cache import DatedCache, IndexCache, PageCache
from liveserver.newsroom.desk.rooms import DeskRooms
from liveserver.newsroom.desk.upkeep import DeskUpkeep
from liveserver.newsroom.desk.work_hints import WorkHints
from liveserver.newsroom.partner_directory import PartnerDirectory
from liveserver.newsroom.presenter import Presenter
from liveserver.newsroom.publisher import Publisher
from liveserver.newsroom.reach import Reach
from liveserver.newsroom.review.reviewer import Reviewer
from liveserver.newsroom.scheduler import Scheduler
from liveserver.newsroom.syndication.coordinator import SyndicationCoordinator
from liveserver.newsroom.takedowns import Takedowns
from liveserver.realtime import bus as buses
from liveserver.realtime.history import StoreHistory
from liveserver.realtime.hub import Hub
from liveserver.realtime.pending_confirmations import PendingConfirmations
from liveserver.realtime.topics.partner_editions import PartnerEditions
from liveserver.realtime.topics.topic_bus import TopicBus
from liveserver.rendering.desk.desk_pages import DeskPages, PasswordLengths
from liveserver.rendering.entry_renderer import EntryRenderer
from liveserver.rendering.page_renderer import PageRenderer
from liveserver.rendering.urls import Urls
from liveserver.rendering.widget_renderer import WidgetRenderer
from liveserver.store import Store
from liveserver.utils.after_commit import AfterCommit
from liveserver.utils.single_flight import FreshFlight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from liveserver.domain.liveblog import Liveblog
    from liveserver.http.responses.representation import Representation
    from liveserver.settings import Settings


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Container]:
    """Start the parts of one process, yield them, and end them afterwards. Raises SettingsError if a part can't start.

    Parts that must be ended are put on the exit stack as soon as they are made. So if one part fails to start, the
    parts before it are ended. Parts are ended in the opposite order: first the tasks in the background, last the store.
    """
    entries = EntryRenderer(
        Urls(settings.base_url, media_url=settings.media_public_url),
        site_name=settings.site_name,
        embed_providers=EmbedProviders(settings.mastodon_hosts.split(",") if settings.mastodon_hosts else ()),
    )
    pages = PageRenderer(entries)
    async with AsyncExitStack() as parts:
        pictures = storage.connect(settings)
        store = await Store.open(settings.database_url, pool_size=settings.database_pool)
        parts.push_async_callback(store.close)

        confirmations = PendingConfirmations()
        presenter = Presenter(entries, confirmations)
        history = StoreHistory(store, presenter, confirmations)
        bus = buses.connect(settings.redis_url, prefix=settings.redis_prefix)
        hub = Hub(
            history,
            TopicBus(bus, PartnerEditions(history)),
            heartbeat=settings.heartbeat,
            poll=settings.poll,
            poll_fast=settings.poll_fast,
            lag_timeout=settings.lag_timeout,
            recent_max=settings.recent_changes,
        )
        parts.push_async_callback(hub.close)
        takedowns = Takedowns(store, hub, bus, confirmations)
        hub.observe(takedowns)
        parts.push_async_callback(takedowns.close)
        terms = QuotaTerms(settings.media_total, settings.media_daily, settings.media_free)
        quota = MediaQuota(terms, count=store.media.size, free=pictures.free)
        library = MediaLibrary(store, pictures, TranscoderPool(max_pixels=settings.media_max_pixels), quota)
        parts.push_async_callback(library.close)

        writable = FreshFlight(store.ping)
        parts.push_async_callback(_cancelled, writable)
        index = IndexCache(partial(_newest, store), partial(_index_page, pages))
        parts.push_async_callback(index.close)
        store_queue, search_queue, card_queue = FairQueue(), FairQueue(at_once=1), FairQueue(at_once=1)
        picture_queue = FairQueue(at_once=pictures.at_once, rest_max=REST_MAX)
        page_cache = PageCache(hub, history, store_queue, budget=settings.page_cache)
        for part in (page_cache, card_queue, picture_queue, search_queue, store_queue):
            parts.push_async_callback(part.close)

        reach = Reach(store, hub, bus)
        hub.observe(reach)
        parts.push_async_callback(reach.flush)
        partners = PartnerAdmission(store, hub, base_url=settings.base_url)
        parts.push_async_callback(partners.close)
        limits = RequestLimits(settings)
        desk_sessions = DeskSessions(store, secure=settings.base_url.startswith("https://"))
        parts.push_async_callback(desk_sessions.close)
        sign_in = SignIn(store, limits)
        passkeys = passkeys_of(settings, store, sign_in)
        provider = provider_of(settings, store, sign_in)
        if provider is not None:
            parts.push_async_callback(provider.close)
        desk_rooms = DeskRooms(store, hub, bus, reach, takedowns)
        hub.observe(desk_rooms)
        parts.push_async_callback(desk_rooms.close)
        publisher = Publisher(store, hub, presenter, takedowns, WorkHints(desk_rooms.tell))
        syndication = SyndicationCoordinator(store, publisher, library, settings, node=hub.node)
        parts.push_async_callback(syndication.close)

        await hub.start()
        await partners.start()
        for name, work in (
            ("syndication", syndication.run()),
            ("reach", reach.run()),
            ("desk streams", DeskUpkeep(store, desk_rooms).run()),
            ("scheduler", Scheduler(store, publisher).run()),
        ):
            parts.push_async_callback(_ended, asyncio.create_task(work, name=name))

        yield Container(
            settings=settings,
            store=store,
            api_keys=ApiKeys(store),
            desk_sessions=desk_sessions,
            sign_in=sign_in,
            passkeys=passkeys,
            provider=provider,
            bus=bus,
            hub=hub,
            history=history,
            publisher=publisher,
            reviewer=Reviewer(store, publisher),
            presenter=presenter,
            pages=pages,
            desk_pages=DeskPages(
                pages,
                PasswordLengths(LENGTH_MIN, LENGTH_MAX),
                passkeys=passkeys is not None,
                provider=None if provider is None else provider.name,
            ),
            page_cache=page_cache,
            index=index,
            metrics=Metrics(hub, bus, page_cache, sign_in, desk_sessions, desk_rooms),
            library=library,
            partners=partners,
            partner_directory=PartnerDirectory(store, partners),
            takedowns=takedowns,
            reach=reach,
            desk_rooms=desk_rooms,
            widgets=WidgetRenderer(pages),
            syndication=syndication,
            limits=limits,
            bodies=json_budget(settings.max_body_size),
            uploads=upload_budget(settings.media_max_size),
            store_queue=store_queue,
            search_queue=search_queue,
            writable=writable,
            picture_queue=picture_queue,
            card_queue=card_queue,
            after_commit=AfterCommit(),
            dated=DatedCache(store_queue),
        )


async def _newest(store: Store) -> list[Liveblog]:
    return (await store.liveblogs.page(limit=INDEX_SIZE))[0]


def _index_page(pages: PageRenderer, liveblogs: list[Liveblog], language: str | None) -> Representation:
    return html_representation(pages, pages.index_page(liveblogs, language), {"Vary": "Accept-Language"})


async def _cancelled(flight: FreshFlight[None]) -> None:
    await asyncio.gather(*flight.cancel(), return_exceptions=True)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
