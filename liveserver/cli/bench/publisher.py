"""The publisher of a benchmark's entries. It deletes the entries afterwards. Each entry's text says that it is no
news."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.viewers.messages import Mark
from liveserver.client import ClientError

if TYPE_CHECKING:
    from liveserver.client import Client, Message

SLUG = "benchmark"
TITLE = "Benchmark (not news)"
"""The title of the live blog that a benchmark makes for its entries. A benchmark publishes into a live blog of this
title without asking the operator."""

DELETING = 8
"""The greatest number of delete requests that run at the same time."""

_TEXT = "This entry was published by “liveserver bench” to measure how fast it is delivered. It is not news. "


class Publisher:
    """The publisher of one run's entries into one live blog. `run`: the run's id. `size`: about how many bytes the text
    of an entry has."""

    def __init__(self, client: Client, slug: str, *, run: str, size: int) -> None:
        self.slug = slug
        self._client = client
        self._run = run
        self._size = size
        self._entries: list[str] = []

    @classmethod
    async def own_liveblog(cls, client: Client) -> str:
        """Make the live blog for benchmarks unless it exists, and return its slug.

        Raises Refused if a live blog with another title has this slug, and ClientError if the server refuses.
        """
        try:
            liveblog = await client.liveblog(SLUG)
        except ClientError as error:
            if error.status != 404:
                raise
            fields = {"slug": SLUG, "title": TITLE, "language": "en", "timezone": "UTC", "status": "upcoming"}
            liveblog = await client.create_liveblog(fields)
        if liveblog["title"] != TITLE:
            raise Refused(f"the live blog {SLUG} isn't a benchmark's: it is called “{liveblog['title']}”")
        return SLUG

    async def rehearse(self) -> None:
        """Check that the API key may publish: write a draft, which readers don't see, and delete the draft.

        Raises ClientError if the server refuses.
        """
        draft = await self._client.publish(self.slug, {"body": _TEXT, "status": "draft"})
        await self._client.delete(self.slug, draft["id"])

    async def publish(self, number: int) -> int:
        """Publish the entry with this number now, and return its seq. Raises ClientError if publishing fails."""
        mark = Mark(self._run, number, time.monotonic())
        entry = await self._client.publish(self.slug, entry_of(mark, self._size))
        self._entries.append(entry["id"])
        return int(entry["seq"])

    async def clean_up(self) -> list[str]:
        """Delete the published entries. Return the ids of the entries that couldn't be deleted."""
        remaining: list[str] = []
        waiting = iter(self._entries)

        async def work() -> None:
            for entry in waiting:
                try:
                    await self._client.delete(self.slug, entry)
                except ClientError as error:
                    # 404 and 410: somebody else has deleted it.
                    if error.status not in {404, 410}:
                        remaining.append(entry)

        await asyncio.gather(*(work() for _ in range(DELETING)))
        self._entries = remaining
        return remaining


def entry_of(mark: Mark, size: int) -> Message:
    """Return an entry to publish. The entry's text begins with the mark, and has about `size` bytes."""
    filler = (_TEXT * (size // len(_TEXT) + 1)).encode()[: max(size - len(str(mark)) - 1, 0)].decode(errors="ignore")
    return {"heading": "Benchmark", "body": f"<p>{mark} {filler.strip()}</p>", "tags": ["benchmark"]}
