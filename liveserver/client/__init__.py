"""The Python client for a server. Over HTTP, it publishes, edits and deletes entries. Over WebSocket, it follows live
blogs without losing changes."""

from __future__ import annotations

from liveserver.client.client import Client
from liveserver.client.errors import ClientError, Unreachable
from liveserver.client.tracker import Message, Step, Tracker

__all__ = ["Client", "ClientError", "Message", "Step", "Tracker", "Unreachable"]
