"""The public name of uvicorn's protocols for viewers: `uvicorn --ws liveserver.viewer_protocol:ViewerProtocol`."""

from __future__ import annotations

from liveserver.server.protocols.viewer_protocol import HttpProtocol, ViewerProtocol

__all__ = ["HttpProtocol", "ViewerProtocol"]
