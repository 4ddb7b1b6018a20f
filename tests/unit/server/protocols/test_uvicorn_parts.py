"""The parts of uvicorn that our protocols use: each is listed here, and uvicorn has it."""

from __future__ import annotations

import ast
import asyncio
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from liveserver.realtime.transport.websocket import connection_state
from liveserver.server import protocols
from liveserver.server.protocols.http_connection import HttpConnection
from liveserver.server.protocols.http_protocol import HttpProtocol
from liveserver.server.protocols.websocket_protocol import ViewerProtocol
from tests.support.websocket_peer import Transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Receive = Callable[[], Awaitable[dict[str, Any]]]
    Send = Callable[[dict[str, Any]], Awaitable[None]]

HTTP_PROTOCOL = {
    "app_state",
    "client",
    "config",
    "connection_lost",
    "connection_made",
    "connections",
    "cycle",
    "data_received",
    "flow",
    "handle_websocket_upgrade",
    "headers",
    "loop",
    "on_body",
    "on_headers_complete",
    "on_response_complete",
    "parser",
    "pause_writing",
    "pipeline",
    "resume_writing",
    "scheme",
    "scope",
    "server",
    "server_state",
    "timeout_keep_alive",
    "timeout_keep_alive_handler",
    "timeout_keep_alive_task",
    "transport",
    "url",
    "ws_protocol_class",
    "_unset_keepalive_if_required",
}
CYCLE = {
    "body",
    "disconnected",
    "keep_alive",
    "message_event",
    "more_body",
    "response_complete",
    "response_started",
    "scope",
}
FLOW = {"pause_reading", "read_paused", "resume_reading", "write_paused"}
PARSER = {"feed_data", "get_http_version"}
SERVER_STATE = set(connection_state.ServerState.__annotations__)
CONFIG = {
    "asgi_version",
    "load",
    "loaded",
    "loaded_app",
    "root_path",
    "ws_max_size",
    "ws_per_message_deflate",
    "ws_ping_interval",
    "ws_ping_timeout",
}

OURS = ("http_connection", "http_protocol", "encrypted_http_protocol", "scope_functions", "websocket_protocol")
"""The modules that know uvicorn's protocol classes."""


def used() -> dict[str, set[str]]:
    """Attributes of uvicorn's objects that our protocols read, set and call, by the expression in front of the dot."""
    folder = Path(protocols.__file__).parent
    tree = ast.parse("\n".join((folder / f"{name}.py").read_text() for name in OURS))
    classes = {"HttpConnection": HttpConnection, "HttpProtocol": HttpProtocol}
    ours = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name in classes]
    assert len(ours) == len(classes)
    own = {node.name for one in ours for node in one.body if isinstance(node, ast.FunctionDef)} | {"room"}
    own |= {slot for one in classes.values() for slot in one.__slots__}
    own -= set(dir(HttpToolsProtocol))
    found: defaultdict[str, set[str]] = defaultdict(set)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found[ast.unparse(node.value).removeprefix("self.").removeprefix("_")].add(node.attr)
    inherited = {
        node.attr
        for one in ours
        for node in ast.walk(one)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"self", "super()", "HttpToolsProtocol"}
    }
    return {
        "http": inherited - own,
        "cycle": found["cycle"],
        "flow": found["flow"],
        "parser": found["parser"],
        "state": found["server_state"] - SERVER_STATE,
        "config": found["config"],
    }


def test_what_is_used_of_uvicorn_is_listed_here() -> None:
    assert used() == {
        "http": HTTP_PROTOCOL,
        "cycle": CYCLE,
        "flow": FLOW,
        "parser": PARSER,
        "state": set(),
        "config": CONFIG,
    }


async def test_uvicorn_has_what_is_used_of_it() -> None:
    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        pass

    config = uvicorn.Config(app, log_config=None, ws=ViewerProtocol)
    config.load()
    state, transport = ServerState(), Transport()
    protocol = HttpToolsProtocol(config, state, {})
    protocol.connection_made(transport)
    protocol.data_received(b"GET /path?query HTTP/1.1\r\nHost: here\r\n\r\n")
    for names, holder in (
        (HTTP_PROTOCOL, protocol),
        (CYCLE, protocol.cycle),
        (FLOW, protocol.flow),
        (PARSER, protocol.parser),
        (SERVER_STATE, state),
        (CONFIG, config),
    ):
        assert {name for name in names if not hasattr(holder, name)} == set()
    assert protocol.url == b"/path?query"
    assert protocol.headers == [(b"host", b"here")]
    assert protocol.scope["method"] == "GET"
    assert protocol.ws_protocol_class is ViewerProtocol
    assert protocol.connections is state.connections
    assert protocol in state.connections
    assert protocol.transport is cast("asyncio.Transport", transport)
    assert (protocol.server, protocol.client, protocol.scheme) == (None, None, "http")
    assert not protocol.pipeline
    assert protocol.cycle.response_started is False
    assert protocol.cycle.disconnected is False
    assert isinstance(protocol.cycle.message_event, asyncio.Event)
    [task] = state.tasks
    protocol.cycle.disconnected = True
    await task
    # As after a hand-over, in which the client has gone for all that uvicorn knows: no answer.
    assert transport.written == []
    protocol.connection_lost(None)
