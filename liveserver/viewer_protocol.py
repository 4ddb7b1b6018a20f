"""The public name of uvicorn's protocols for viewers: `uvicorn --ws liveserver.viewer_protocol:ViewerProtocol`."""

from __future__ import annotations

from liveserver.server.protocols.http_protocol import HttpProtocol
from liveserver.server.protocols.websocket_protocol import ViewerProtocol

__all__ = ["HttpProtocol", "ViewerProtocol"]
