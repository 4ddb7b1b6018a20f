"""The Python client: publishes, edits and deletes over HTTP, and follows live blogs over WebSocket without loss."""

from __future__ import annotations

from liveserver.client.client import Client
from liveserver.client.errors import ClientError, Unreachable
from liveserver.client.tracker import Message, Step, Tracker

__all__ = ["Client", "ClientError", "Message", "Step", "Tracker", "Unreachable"]
