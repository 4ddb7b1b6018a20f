"""The public names of our protocols, for uvicorn's options: `uvicorn --ws liveserver.viewer_protocol:ViewerProtocol`.

It exports liveserver's own implementations of uvicorn's protocols: one for HTTP, and one for viewers' WebSockets.
"""

from __future__ import annotations

from liveserver.server.protocols.http_protocol import HttpProtocol
from liveserver.server.protocols.websocket_protocol import ViewerProtocol

__all__ = ["HttpProtocol", "ViewerProtocol"]
