"""The bus: in-process, or Redis pub/sub."""

from __future__ import annotations

from liveserver.bus.base import Bus, Receiver
from liveserver.bus.local import LocalBus, Medium
from liveserver.bus.redis import RedisBus

__all__ = ["Bus", "LocalBus", "Medium", "Receiver", "RedisBus", "connect"]


def connect(redis_url: str | None, *, prefix: str) -> Bus:
    """The bus of these settings, not started yet."""
    return RedisBus(redis_url, prefix=prefix) if redis_url else LocalBus()
