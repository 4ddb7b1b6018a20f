"""The attacks, each with what it stands for. They go on until they are stopped; none sends more than it says."""

from tests.hostile.attacks import connections, memory, parsers, streams, work
from tests.hostile.attacks.registry import ATTACKS

__all__ = ["ATTACKS", "connections", "memory", "parsers", "streams", "work"]
