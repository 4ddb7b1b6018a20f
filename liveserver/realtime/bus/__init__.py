"""The bus, which carries changes between hubs: within one process or, by Redis pub/sub, between several processes."""

from __future__ import annotations

from liveserver.realtime.bus.memory import Medium, MemoryBus
from liveserver.realtime.bus.port import Bus, Receiver

__all__ = ["Bus", "Medium", "MemoryBus", "Receiver", "connect"]


def connect(redis_url: str | None, *, prefix: str) -> Bus:
    """Return a bus over Redis if `redis_url` names a Redis server, else an in-process bus.

    The bus isn't started yet. `prefix`: the first part of the names of Redis channels.
    """
    if not redis_url:
        return MemoryBus()
    # Imported only if Redis is used: the import takes a fifteenth of the time that the server needs to start.
    from liveserver.realtime.bus.redis import RedisBus

    return RedisBus(redis_url, prefix=prefix)
