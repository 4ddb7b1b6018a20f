"""The Python client: publish, edit and delete over HTTP; follow a live blog over WebSocket without losing anything."""

from __future__ import annotations

from liveserver.client.client import Client
from liveserver.client.errors import ClientError, Unreachable
from liveserver.client.tracker import Message, Step, Tracker

__all__ = ["Client", "ClientError", "Message", "Step", "Tracker", "Unreachable"]
