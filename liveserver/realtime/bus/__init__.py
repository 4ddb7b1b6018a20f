"""The bus: in-process, or Redis pub/sub."""

from __future__ import annotations

from liveserver.realtime.bus.memory import Medium, MemoryBus
from liveserver.realtime.bus.port import Bus, Receiver

__all__ = ["Bus", "Medium", "MemoryBus", "Receiver", "connect"]


def connect(redis_url: str | None, *, prefix: str) -> Bus:
    """The bus of these settings, not started yet."""
    if not redis_url:
        return MemoryBus()
    # Not imported where there is no Redis: it is a fifteenth of the time that the server needs to start.
    from liveserver.realtime.bus.redis import RedisBus

    return RedisBus(redis_url, prefix=prefix)
