"""A process of its own that publishes: `python -m tests.support.store_writer URL SLUG COUNT`.

Prints `ready`, waits for a line, then prints the id of each entry once the store has confirmed it.
"""

from __future__ import annotations

import asyncio
import sys

from liveserver.store import Store
from tests.support.principals import named
from tests.support.store_samples import an_entry


async def write(url: str, slug: str, count: int) -> None:
    store = await Store.open(url)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for _ in range(count):
        written = await store.entries.create(slug, an_entry(), by=named("child"))
        print(written.entry.id, flush=True)
    await store.close()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3])))
