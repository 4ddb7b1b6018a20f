"""The endpoints for operators: `/healthz`, `/readyz` and `/metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.routing import Route

from liveserver.domain.errors import Draining
from liveserver.http.container import services
from liveserver.protocol import json_encoding

if TYPE_CHECKING:
    from starlette.requests import Request

NO_STORE = {"Cache-Control": "no-store"}


async def healthz(request: Request) -> Response:
    """Answer 200, whatever state the database and the bus are in."""
    return Response(json_encoding.dumps({"status": "ok"}), headers=NO_STORE, media_type="application/json")


async def readyz(request: Request) -> Response:
    """Answer 200 if an entry could be published now, and if this server isn't shutting down.

    Otherwise raises Draining or StoreUnavailable. Both errors are answered with 503. If the bus is down, the answer is
    still 200: the other nodes then read changes from the store, a little later.
    """
    parts = services(request)
    if parts.hub.draining:
        raise Draining
    await parts.writable()
    content = {"status": "ready", "bus": "up" if parts.bus.up else "down"}
    return Response(json_encoding.dumps(content), headers=NO_STORE, media_type="application/json")


async def metrics(request: Request) -> Response:
    """Answer with all metrics in Prometheus's text format."""
    return Response(services(request).metrics.text(), headers=NO_STORE, media_type=CONTENT_TYPE_LATEST)


OPERATOR_ROUTES = [
    Route("/healthz", healthz),
    Route("/readyz", readyz),
    Route("/metrics", metrics),
]
