"""Pictures' files: served whole and in parts, read once for many, and cheap to refuse."""

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
from tests.support.api.pictures import sent
from tests.support.api.site import problem, settled, started
from tests.support.images import SECRET, opened

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
    """The reads that the storage is asked for."""

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


async def test_its_files_are_served(site: Site) -> None:
    """Each in its width, to anybody, for ever; without what its metadata told."""
    picture = await sent(site)
    for rendition in picture["srcset"]:
        response = await site.reader.get(rendition["url"])
        assert response.status_code == 200
        assert response.headers["content-type"] == "image/jpeg"
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "sandbox" in response.headers["content-security-policy"]
        assert opened(response.content).size == (rendition["width"], rendition["height"])
        assert SECRET not in response.content
    assert len(response.content) == picture["size"]


async def test_parts_of_a_file(site: Site) -> None:
    """RFC 9110, 14."""
    url = (await sent(site))["url"]
    whole = (await site.reader.get(url)).content
    size = len(whole)

    async def part(wanted: str, **headers: str) -> httpx2.Response:
        return await site.reader.get(url, headers={"Range": wanted, **headers})

    for wanted, start, end in (
        ("bytes=0-9", 0, 10),
        ("bytes=10-", 10, size),
        ("bytes=-7", size - 7, size),
        (f"bytes={size - 1}-{size * 2}", size - 1, size),
        (f"bytes=-{size * 2}", 0, size),
        ("Bytes = 0-0", 0, 1),
    ):
        response = await part(wanted)
        assert response.status_code == 206, wanted
        assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert response.headers["content-length"] == str(end - start)
        assert response.content == whole[start:end]
    for wanted in (f"bytes={size}-", f"bytes={size}-{size + 1}", "bytes=-0"):
        response = await part(wanted)
        assert response.status_code == 416
        assert response.headers["content-range"] == f"bytes */{size}"
    for wanted in ("bytes=9-0", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "x"):
        response = await part(wanted)
        assert (response.status_code, response.content) == (200, whole), wanted
    tag = (await site.reader.get(url)).headers["etag"]
    assert (await part("bytes=0-9", **{"If-Range": tag})).status_code == 206
    assert (await part("bytes=0-9", **{"If-Range": '"other"'})).status_code == 200
    head = await site.reader.head(url, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(size))


async def test_what_a_reader_has_is_not_sent_again(site: Site) -> None:
    url = (await sent(site))["url"]
    tag = (await site.reader.get(url)).headers["etag"]
    response = await site.reader.get(url, headers={"If-None-Match": tag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_many_readers_are_one_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a picture is published, all have it at once."""
    url = (await sent(site))["url"]
    files = site.parts.library._files
    reads: list[str] = []
    read = files.read

    async def counted(name: str) -> bytes | None:
        reads.append(name)
        return await read(name)

    monkeypatch.setattr(site.parts.library._file_cache, "_read", counted)
    responses = await asyncio.gather(*(site.reader.get(url) for _ in range(50)))
    assert {response.status_code for response in responses} == {200}
    assert reads == [url.rpartition("/")[2]]


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
    """A file that isn't there is 404 to every request, and looked for once."""
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


@pytest.mark.slow
async def test_misses_are_counted_by_address(settings: Settings) -> None:
    """A file in memory is sent as often as it is asked for; one that must be looked for is refused after misses."""
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
    """Also of what was asked for before: it would all wait in memory. A request that needs no bytes is answered."""
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
