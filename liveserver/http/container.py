"""What a running server consists of. The composition root makes it, and every request finds it in its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from liveserver.access.api_keys import Keyring
    from liveserver.access.body_budget import Intake
    from liveserver.access.partner_admission import Partners
    from liveserver.access.request_limits import Limits
    from liveserver.content.media.library import Library
    from liveserver.http.fair_queue import Turns
    from liveserver.http.metrics import Metrics
    from liveserver.http.responses.page_cache import Dated, Index, Renditions
    from liveserver.newsroom.presenter import Presenter
    from liveserver.newsroom.publisher import Publishing
    from liveserver.newsroom.reach import Reach
    from liveserver.newsroom.syndication.coordinator import Syndication
    from liveserver.newsroom.takedowns import Takedowns
    from liveserver.realtime.bus import Bus
    from liveserver.realtime.history import StoreHistory
    from liveserver.realtime.hub import Hub
    from liveserver.rendering.renderer import Renderer
    from liveserver.rendering.widget_renderer import Embedding
    from liveserver.settings import Settings
    from liveserver.store import Store
    from liveserver.utils.single_flight import Coalesced


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one process."""

    settings: Settings
    store: Store
    keyring: Keyring
    bus: Bus
    hub: Hub
    history: StoreHistory
    publishing: Publishing
    presenter: Presenter
    renderer: Renderer
    renditions: Renditions
    index: Index
    metrics: Metrics
    library: Library
    partners: Partners
    takedowns: Takedowns
    reach: Reach
    embedding: Embedding
    syndication: Syndication
    limits: Limits
    bodies: Intake
    """JSON on its way in."""
    uploads: Intake
    turns: Turns
    """Of what is read from the store, and rendered."""
    drawing: Turns
    """Of cards."""
    dated: Dated
    writable: Coalesced[None]
    """Raises StoreUnavailable if the database can't be written to."""


def services(connection: HTTPConnection) -> Services:
    """The parts of the process that serves this connection."""
    found: Services = connection.scope["state"]["services"]
    return found
