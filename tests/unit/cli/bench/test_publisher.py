"""The entries that a benchmark publishes."""

from __future__ import annotations

from typing import Any, cast

import pytest

from liveserver.cli.bench.errors import Refused
from liveserver.cli.bench.publisher import SLUG, TITLE, Publisher, entry_of
from liveserver.cli.bench.viewers.messages import Mark
from liveserver.client import Client, ClientError

MARK = Mark("0123abcd", 7, 1234.5)


@pytest.mark.parametrize("size", [200, 400, 5000, 50_000])
def test_an_entry_says_that_it_is_a_benchmark(size: int) -> None:
    """It has the size that was asked for, and carries its mark."""
    entry = entry_of(MARK, size)
    assert entry["heading"] == "Benchmark"
    assert "not news" in entry["body"] or size < 250
    body = entry["body"].encode()
    assert size - 5 <= len(body) - len(b"<p></p>") <= size
    assert Mark.find(body) == MARK


def test_entries_of_a_run_are_of_one_length() -> None:
    lengths = {len(entry_of(Mark("0123abcd", number, 10.0**number), 400)["body"]) for number in range(1, 9)}
    assert len(lengths) == 1


class Desk:
    """A server's API, as far as a newsroom uses it: one live blog, and what goes wrong."""

    def __init__(self, title: str | None, deleting: dict[str, int] | None = None) -> None:
        self.title = title
        self.deleting = deleting or {}
        self.entries: list[str] = []

    @property
    def client(self) -> Client:
        return cast("Client", self)

    async def liveblog(self, slug: str) -> dict[str, Any]:
        if self.title is None:
            raise ClientError(404, "404 no such live blog")
        return {"slug": slug, "title": self.title}

    async def create_liveblog(self, liveblog: dict[str, Any]) -> dict[str, Any]:
        self.title = liveblog["title"]
        return liveblog

    async def publish(self, slug: str, entry: dict[str, Any]) -> dict[str, Any]:
        self.entries.append(f"entry-{len(self.entries)}")
        return {"id": self.entries[-1], "seq": len(self.entries)}

    async def delete(self, slug: str, entry_id: str) -> None:
        if entry_id in self.deleting:
            raise ClientError(self.deleting[entry_id], "no")
        self.entries.remove(entry_id)


async def test_its_own_liveblog() -> None:
    """It is made once, and used again; one that is called otherwise is somebody's."""
    desk = Desk(None)
    assert await Publisher.own_liveblog(desk.client) == SLUG
    assert desk.title == TITLE
    assert await Publisher.own_liveblog(desk.client) == SLUG
    with pytest.raises(Refused, match="called “Élections”"):
        await Publisher.own_liveblog(Desk("Élections").client)


async def test_clean_up() -> None:
    """Everything is deleted; what can't be is named, and what is gone already is no matter."""
    desk = Desk(TITLE, {"entry-3": 503, "entry-5": 410})
    newsroom = Publisher(desk.client, SLUG, run="0123abcd", size=200)
    assert [await newsroom.publish(number) for number in range(20)] == list(range(1, 21))
    assert await newsroom.clean_up() == ["entry-3"]
    assert desk.entries == ["entry-3", "entry-5"]
