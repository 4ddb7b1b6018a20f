"""The machine on which the benchmarks run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def describe() -> dict[str, str]:
    """Return a description of the machine: its processor, memory, kernel, and the versions of Python and uvloop."""
    return {
        "processor": f"{_field(Path('/proc/cpuinfo'), 'model name') or platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{_memory()} of memory",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "uvloop": f"uvloop {version('uvloop')}",
    }


def _memory() -> str:
    kilobytes = _field(Path("/proc/meminfo"), "MemTotal").split(" ")[0]
    return f"{int(kilobytes) / 1024 / 1024:.1f} GiB" if kilobytes else "unknown"


def _field(path: Path, name: str) -> str:
    if not path.is_file():
        return ""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
