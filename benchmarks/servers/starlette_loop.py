"""Starlette behind uvicorn: a set of WebSockets, and a loop that awaits `send_text` on each.

uvicorn benchmarks.servers.starlette_loop:app
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.websockets import WebSocket

connected: set[WebSocket] = set()


async def stream(websocket: WebSocket) -> None:
    """Serve one viewer, until it disconnects."""
    await websocket.accept()
    connected.add(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        connected.discard(websocket)


async def publish(request: Request) -> Response:
    """Send the body of a POST request to every viewer."""
    message = (await request.body()).decode()
    for websocket in list(connected):
        try:
            await websocket.send_text(message)
        except WebSocketDisconnect:
            connected.discard(websocket)
    return Response(status_code=204)


app = Starlette(routes=[WebSocketRoute("/stream", stream), Route("/publish", publish, methods=["POST"])])
