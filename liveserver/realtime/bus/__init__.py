"""The bus: in-process, or Redis pub/sub."""

from __future__ import annotations

from liveserver.realtime.bus.memory import Medium, MemoryBus
from liveserver.realtime.bus.port import Bus, Receiver

__all__ = ["Bus", "Medium", "MemoryBus", "Receiver", "connect"]


def connect(redis_url: str | None, *, prefix: str) -> Bus:
    """Make the bus for these settings; it isn't started yet."""
    if not redis_url:
        return MemoryBus()
    # Imported only if Redis is used: the import takes a fifteenth of the time that the server needs to start.
    from liveserver.realtime.bus.redis import RedisBus

    return RedisBus(redis_url, prefix=prefix)
