"""The bus, which carries changes between server processes: within one process, or by Redis pub/sub."""

from __future__ import annotations

from liveserver.realtime.bus.memory import Medium, MemoryBus
from liveserver.realtime.bus.port import Bus, Receiver

__all__ = ["Bus", "Medium", "MemoryBus", "Receiver", "connect"]


def connect(redis_url: str | None, *, prefix: str) -> Bus:
    """Return the bus that the settings ask for: by Redis if there is a `redis_url`, else in-process.

    The bus isn't started yet. `prefix`: the first part of the names of Redis channels.
    """
    if not redis_url:
        return MemoryBus()
    # Imported only if Redis is used: the import takes a fifteenth of the time that the server needs to start.
    from liveserver.realtime.bus.redis import RedisBus

    return RedisBus(redis_url, prefix=prefix)
