"""What a running server consists of. The composition root makes it, and every request finds it in its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from liveserver.bus import Bus
    from liveserver.coalescing import Coalesced
    from liveserver.embedding import Embedding
    from liveserver.history import StoreHistory
    from liveserver.hub import Hub
    from liveserver.intake import Intake
    from liveserver.library import Library
    from liveserver.limits import Limits
    from liveserver.metrics import Metrics
    from liveserver.partners import Partners
    from liveserver.presenting import Presenter
    from liveserver.publishing import Publishing
    from liveserver.reach import Reach
    from liveserver.rendering import Renderer
    from liveserver.renditions import Dated, Index, Renditions
    from liveserver.security.keys import Keyring
    from liveserver.settings import Settings
    from liveserver.store import Store
    from liveserver.syndication import Syndication
    from liveserver.takedowns import Takedowns
    from liveserver.turns import Turns


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
