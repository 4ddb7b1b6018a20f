"""The container: an object with all parts of a running server process. Handlers find it in their request's state.

The composition root makes the container.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from liveserver.access.people.ways import offered

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from liveserver.access.api_keys import ApiKeys
    from liveserver.access.body_budget import BodyBudget
    from liveserver.access.partner_admission import PartnerAdmission
    from liveserver.access.people.desk_sessions import DeskSessions
    from liveserver.access.people.passkeys import Passkeys
    from liveserver.access.people.provider_sign_in import ProviderSignIn
    from liveserver.access.people.sign_in import SignIn
    from liveserver.access.request_limits import RequestLimits
    from liveserver.content.media.library import MediaLibrary
    from liveserver.http.fair_queue import FairQueue
    from liveserver.http.metrics import Metrics
    from liveserver.http.responses.page_cache import DatedCache, IndexCache, PageCache
    from liveserver.newsroom.desk.rooms import DeskRooms
    from liveserver.newsroom.partner_directory import PartnerDirectory
    from liveserver.newsroom.presenter import Presenter
    from liveserver.newsroom.publisher import Publisher
    from liveserver.newsroom.reach import Reach
    from liveserver.newsroom.review.reviewer import Reviewer
    from liveserver.newsroom.syndication.coordinator import SyndicationCoordinator
    from liveserver.newsroom.takedowns import Takedowns
    from liveserver.realtime.bus import Bus
    from liveserver.realtime.history import StoreHistory
    from liveserver.realtime.hub import Hub
    from liveserver.rendering.desk.desk_pages import DeskPages
    from liveserver.rendering.page_renderer import PageRenderer
    from liveserver.rendering.widget_renderer import WidgetRenderer
    from liveserver.settings import Settings
    from liveserver.store import Store
    from liveserver.store.repositories.people.credentials import OfferedWays
    from liveserver.utils.after_commit import AfterCommit
    from liveserver.utils.single_flight import FreshFlight


@dataclass(frozen=True, slots=True)
class Container:
    """The parts of one server process."""

    settings: Settings
    store: Store
    api_keys: ApiKeys
    desk_sessions: DeskSessions
    sign_in: SignIn
    passkeys: Passkeys | None
    """None if the package for passkeys isn't installed, or if browsers allow no passkeys at the site's address."""
    provider: ProviderSignIn | None
    """The OpenID provider by which people may sign in; None if the settings name none."""
    bus: Bus
    hub: Hub
    history: StoreHistory
    publisher: Publisher
    reviewer: Reviewer
    presenter: Presenter
    pages: PageRenderer
    desk_pages: DeskPages
    page_cache: PageCache
    index: IndexCache
    metrics: Metrics
    library: MediaLibrary
    partners: PartnerAdmission
    partner_directory: PartnerDirectory
    takedowns: Takedowns
    reach: Reach
    desk_rooms: DeskRooms
    widgets: WidgetRenderer
    syndication: SyndicationCoordinator
    limits: RequestLimits
    bodies: BodyBudget
    """The budget of bytes for JSON bodies that are being received."""
    uploads: BodyBudget
    """The budget of bytes for uploaded pictures that are being received or decoded."""
    store_queue: FairQueue
    """The queue of jobs that read something from the store for a request, and render it."""
    search_queue: FairQueue
    """The queue of searches on boards. One at a time, so that they hold up nobody who only reads."""
    picture_queue: FairQueue
    """The queue of jobs that read the files of pictures."""
    card_queue: FairQueue
    """The queue of jobs that draw share cards."""
    after_commit: AfterCommit
    """Runs writes with what has to follow them, such as a line of the audit log, also if the client has left."""
    dated: DatedCache
    """The cache of sitemaps, each of which is kept for `DATED_SECONDS`."""
    writable: FreshFlight[None]
    """The check whether the database can be written to. `await writable()` raises StoreUnavailable if it can't."""

    @property
    def offered_ways(self) -> OfferedWays:
        """The ways to sign in that the site offers beside passwords."""
        return offered(self.passkeys, self.provider)


def services(connection: HTTPConnection) -> Container:
    """Return the parts of the process that serves this connection."""
    parts: Container = connection.scope["state"]["services"]
    return parts
