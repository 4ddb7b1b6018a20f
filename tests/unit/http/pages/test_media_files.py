"""Pictures' files: what is read for whom, and what it costs to ask for what isn't there."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from liveserver.content.media.picture import Picture
from liveserver.http import requesters
from liveserver.http.fair_queue import UNREAD_MOST
from liveserver.http.pages import media_files
from tests.support.api.site import problem, settled, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from liveserver.settings import Settings
    from tests.support.api.site import Site

LARGE = b"x" * 300_000
READER = "203.0.113.7"


def named(number: int) -> str:
    """A name that a picture could have."""
    return Picture(f"{number:032x}", 480, 320, "jpg").name


class Reads:
    """What the storage is asked for."""

    def __init__(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.most = 0
        self.under_way = 0
        files = site.parts.library._files
        for name in ("read", "read_part", "size"):
            monkeypatch.setattr(files, name, self._counted(name, getattr(files, name)))
        site.parts.library._file_cache._read = files.read

    def _counted(self, kind: str, original: Any) -> Any:
        async def call(name: str, *args: int) -> Any:
            self.calls.append((kind, name))
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                await self.gate.wait()
                return await original(name, *args)
            finally:
                self.under_way -= 1

        return call


async def kept(site: Site, *numbers: int) -> None:
    """Have files of these names."""
    for number in numbers:
        await site.parts.library._files.write(named(number), LARGE)


async def until(check: Callable[[], bool]) -> None:
    """Return once it holds."""

    async def holds() -> bool:
        return check()

    await settled(holds)


@asynccontextmanager
async def client(site: Site, address: str = READER) -> AsyncIterator[httpx2.AsyncClient]:
    """One that comes from an address."""
    transport = httpx2.ASGITransport(site._asgi, raise_app_exceptions=False, client=(address, 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=site.base_url) as made:
        yield made


@pytest.fixture
def reads(site: Site, monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(site, monkeypatch)


async def test_a_byte_costs_a_byte(site: Site, reads: Reads) -> None:
    """Of a file that isn't in memory; and what is in memory isn't read at all."""
    await kept(site, 1)
    url = f"/media/{named(1)}"
    part = await site.reader.get(url, headers={"Range": "bytes=5-6"})
    assert (part.status_code, part.content) == (206, b"xx")
    assert part.headers["content-range"] == f"bytes 5-6/{len(LARGE)}"
    past = await site.reader.get(url, headers={"Range": f"bytes={len(LARGE)}-"})
    assert (past.status_code, past.headers["content-range"]) == (416, f"bytes */{len(LARGE)}")
    same = await site.reader.get(url, headers={"If-None-Match": f'"{named(1)}"'})
    assert (same.status_code, same.content) == (304, b"")
    head = await site.reader.head(url)
    assert (head.headers["content-length"], head.headers["content-type"]) == (str(len(LARGE)), "image/jpeg")
    assert {kind for kind, _ in reads.calls} == {"size", "read_part"}
    reads.calls.clear()
    whole = await site.reader.get(url, headers={"Range": "bytes=0-"})
    assert (whole.status_code, whole.content) == (206, LARGE)
    assert [kind for kind, _ in reads.calls] == ["size", "read"]
    reads.calls.clear()
    for headers in ({}, {"Range": "bytes=5-6"}, {"If-None-Match": f'"{named(1)}"'}):
        assert (await site.reader.get(url, headers=headers)).status_code in {200, 206, 304}
    assert (await site.reader.head(url)).headers["content-length"] == str(len(LARGE))
    assert reads.calls == []


@pytest.mark.parametrize("headers", [{"Range": "bytes=0-0"}, {"If-None-Match": "*"}, {}])
async def test_what_is_not_there(site: Site, reads: Reads, headers: dict[str, str]) -> None:
    """Whatever is asked of it."""
    url = f"/media/{named(7)}"
    problem(await site.reader.get(url, headers=headers), 404)
    assert (await site.reader.head(url)).status_code == 404
    assert len(reads.calls) == 1, "the second time it is known"


async def test_one_address_reads_a_few_at_a_time(site: Site, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    """And holds up nobody else: a flood of names costs a look at each when its turn comes, and no more."""
    site.parts.picture_queue._at_once = 100
    await kept(site, 1_000)
    reads.gate.clear()
    async with client(site) as flood, client(site, "203.0.113.8") as other:
        asked = [asyncio.create_task(flood.get(f"/media/{named(number)}")) for number in range(40)]
        await until(lambda: site.parts.picture_queue.waiting == 40 - media_files.LINES)
        assert reads.under_way == media_files.LINES
        found = asyncio.create_task(other.get(f"/media/{named(1_000)}"))
        await until(lambda: reads.under_way == media_files.LINES + 1)
        reads.gate.set()
        assert (await found).content == LARGE
        assert {answer.status_code for answer in await asyncio.gather(*asked)} == {404}
    assert reads.most == media_files.LINES + 1


async def test_what_is_invented_costs_few_queries(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One at a time, for all of them."""
    queries: list[int] = []
    under_way = 0
    deleted = site.parts.library._missing._deleted

    async def counted(digests: Any) -> Any:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        queries.append(len(digests))
        await asyncio.sleep(0.02)
        under_way -= 1
        return await deleted(digests)

    monkeypatch.setattr(site.parts.library._missing, "_deleted", counted)
    answers = await asyncio.gather(*(site.reader.get(f"/media/{named(number)}") for number in range(100)))
    assert {answer.status_code for answer in answers} == {404}
    assert sum(queries) == 100
    assert len(queries) < 20


async def test_misses_are_counted_by_address(settings: Settings) -> None:
    """What is in memory is sent as often as it is asked for; what must be looked for is refused after many misses."""
    async with started(settings.model_copy(update={"limit_pages": 1})) as site:
        site.parts.limits.__init__(site.parts.settings, lambda: 1_000.0)  # type: ignore[misc]
        await kept(site, 1, 2)
        async with client(site) as reader, client(site, "203.0.113.8") as other:
            for _ in range(30):
                assert (await reader.get(f"/media/{named(1)}")).status_code == 200
            for number in range(10, 30):
                assert (await reader.get(f"/media/{named(number)}")).status_code == 404
            for number in (30, 30, 10, 2):
                answer = await reader.get(f"/media/{named(number)}")
                assert problem(answer, 429)["type"] == "urn:liveserver:problem:too-many-requests"
                assert "pictures that aren't there" in answer.json()["detail"]
            assert (await reader.get(f"/media/{named(1)}")).status_code == 200
            assert (await other.get(f"/media/{named(2)}")).status_code == 200
            assert (await reader.get(f"/media/{named(2)}")).status_code == 200, "it is in memory now"


async def test_more_than_may_wait(site: Site, reads: Reads) -> None:
    """They are told so."""
    site.parts.picture_queue._per_line = 1
    reads.gate.clear()
    async with client(site) as flood:
        asked = [asyncio.create_task(flood.get(f"/media/{named(number)}")) for number in range(40)]
        await until(lambda: sum(one.done() for one in asked) == 40 - 2 * media_files.LINES)
        reads.gate.set()
        statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert statuses.count(503) == 40 - 2 * media_files.LINES


async def test_a_client_that_does_not_read_is_sent_no_more(
    site: Site, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of what was asked for before: it would all wait in memory. What needs no bytes is answered."""
    await kept(site, 1, 2)
    unread = 0
    reads.gate.clear()
    requester_of = requesters.requester_of
    monkeypatch.setattr(requesters, "requester_of", lambda scope: requester_of(scope)._replace(unread=lambda: unread))
    early = [
        asyncio.create_task(site.reader.get(f"/media/{named(1)}")),
        asyncio.create_task(site.reader.get(f"/media/{named(2)}", headers={"Range": "bytes=0-9"})),
    ]
    await until(lambda: reads.under_way == 2)
    unread = UNREAD_MOST
    reads.gate.set()
    for answer in await asyncio.gather(*early):
        assert "hasn't read" in problem(answer, 503)["detail"]
    assert (await site.reader.head(f"/media/{named(1)}")).status_code == 200
