"""Many ask, one reads; and nobody gets for long what was removed."""

from __future__ import annotations

import asyncio

import pytest

from liveserver.content.media.file_cache import FileCache
from liveserver.domain.errors import MediaUnavailable


class Source:
    """Files that are read when the test lets them."""

    def __init__(self, **files: bytes) -> None:
        self.files = files
        self.reads: list[str] = []
        self.began = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.now = 0.0
        self.broken = False

    async def read(self, name: str) -> bytes | None:
        self.reads.append(name)
        found = self.files.get(name)
        self.began.set()
        await self.gate.wait()
        if self.broken:
            raise MediaUnavailable
        return found

    def file_cache(self, size: int = 100) -> FileCache:
        return FileCache(self.read, seconds=5, size=size, clock=lambda: self.now)


async def _forgotten_while_read(source: Source, file_cache: FileCache) -> asyncio.Task[bytes | None]:
    """A read of `a` that is under way, while the file is removed and forgotten; the source's gate is closed."""
    source.gate.clear()
    reading = asyncio.create_task(file_cache.get("a"))
    await source.began.wait()
    del source.files["a"]
    file_cache.forget("a")
    return reading


async def test_a_rush_is_one_read() -> None:
    source = Source(a=b"1")
    source.gate.clear()
    file_cache = source.file_cache()
    asking = [asyncio.create_task(file_cache.get("a")) for _ in range(1000)]
    await asyncio.sleep(0)
    source.gate.set()
    assert set(await asyncio.gather(*asking)) == {b"1"}
    assert await file_cache.get("a") == b"1"
    assert source.reads == ["a"]


async def test_it_is_kept_for_moments() -> None:
    """Another process may have removed it."""
    source = Source(a=b"1")
    file_cache = source.file_cache()
    await file_cache.get("a")
    del source.files["a"]
    source.now = 4.9
    assert await file_cache.get("a") == b"1"
    source.now = 5.0
    assert await file_cache.get("a") is None


async def test_what_is_kept_is_had_without_a_read() -> None:
    source = Source(a=b"1")
    file_cache = source.file_cache()
    assert file_cache.kept("a") is None
    await file_cache.get("a")
    assert file_cache.kept("a") == b"1"
    source.now = 5.0
    assert file_cache.kept("a") is None
    assert source.reads == ["a"]


async def test_asking_for_it_does_not_keep_it_longer() -> None:
    source = Source(a=b"1")
    file_cache = source.file_cache()
    for source.now in (0.0, 3.0, 4.5, 6.0):
        await file_cache.get("a")
    assert len(source.reads) == 2


async def test_what_is_not_there_is_asked_for_again() -> None:
    """It may be on its way."""
    source = Source()
    file_cache = source.file_cache()
    assert await file_cache.get("a") is None
    source.files["a"] = b"1"
    assert await file_cache.get("a") == b"1"


async def test_what_is_forgotten_is_read_anew() -> None:
    source = Source(a=b"1")
    file_cache = source.file_cache()
    await file_cache.get("a")
    del source.files["a"]
    file_cache.forget("a")
    assert await file_cache.get("a") is None
    file_cache.forget("never seen")


async def test_a_read_that_began_before_is_not_kept() -> None:
    """It may have seen the file just before it was removed."""
    source = Source(a=b"1")
    file_cache = source.file_cache()
    early = await _forgotten_while_read(source, file_cache)
    source.began.clear()
    late = asyncio.create_task(file_cache.get("a"))
    await source.began.wait()
    source.gate.set()
    assert (await early, await late) == (b"1", None)
    assert await file_cache.get("a") is None


async def test_a_read_that_began_before_is_not_kept_though_nobody_asked_since() -> None:
    source = Source(a=b"1")
    file_cache = source.file_cache()
    early = await _forgotten_while_read(source, file_cache)
    source.gate.set()
    assert await early == b"1"
    assert await file_cache.get("a") is None


async def test_it_holds_so_many_bytes() -> None:
    """The file that was asked for longest ago goes; one too large for the cache isn't kept."""
    source = Source(a=b"1" * 40, b=b"2" * 40, c=b"3" * 40, d=b"4" * 101)
    file_cache = source.file_cache()
    for name in "abacdacb":
        assert await file_cache.get(name) == source.files[name]
    assert source.reads == ["a", "b", "c", "d", "b"]


async def test_a_failure_is_everybodys_and_not_kept() -> None:
    source = Source(a=b"1")
    source.broken = True
    file_cache = source.file_cache()
    for result in await asyncio.gather(file_cache.get("a"), file_cache.get("a"), return_exceptions=True):
        assert isinstance(result, MediaUnavailable)
    source.broken = False
    assert await file_cache.get("a") == b"1"


async def test_a_reader_who_leaves_takes_nothing_from_the_others() -> None:
    source = Source(a=b"1")
    source.gate.clear()
    file_cache = source.file_cache()
    leaving, staying = (asyncio.create_task(file_cache.get("a")) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    source.gate.set()
    assert await staying == b"1"
