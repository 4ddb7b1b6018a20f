"""Names that somebody makes up cost one query at a time, for all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from liveserver.content.media.missing_files import NAMES_MAX, PAUSE, SECONDS, MissingFiles
from liveserver.content.media.picture import Picture
from liveserver.domain.errors import Gone, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence


def named(number: int) -> Picture:
    """A name that nobody has."""
    return Picture(f"{number:032x}", 480, 320, "jpg")


class Looks:
    """A store that knows one picture, which was deleted."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.now = 0.0
        self.missing = MissingFiles(self.deleted, clock=lambda: self.now)

    async def deleted(self, digests: Sequence[str]) -> set[str]:
        self.asked.append(list(digests))
        await asyncio.sleep(0)
        return {named(1).digest} & set(digests)


async def test_all_are_looked_for_together() -> None:
    """And the next not before some time has passed, however many ask."""
    looks = Looks()
    began = asyncio.get_running_loop().time()
    errors = await asyncio.gather(*(looks.missing.explain(named(number % 300)) for number in range(900)))
    assert len(looks.asked) == 1
    assert len(looks.asked[0]) == 300
    assert [type(error) for error in errors[:3]] == [NotFound, Gone, NotFound]
    await looks.missing.explain(named(1_000))
    assert asyncio.get_running_loop().time() - began >= PAUSE
    assert looks.asked[1:] == [[named(1_000).digest]]
    await looks.missing.close()


async def test_it_is_remembered_for_moments() -> None:
    looks = Looks()
    looks.missing.check(named(1))
    for number in (1, 2):
        await looks.missing.explain(named(number))
    looks.now = SECONDS - 0.1
    with pytest.raises(Gone):
        looks.missing.check(named(1))
    with pytest.raises(NotFound):
        looks.missing.check(named(2))
    looks.missing.forget(named(2))
    looks.missing.check(named(2))
    looks.now = SECONDS
    looks.missing.check(named(1))


async def test_so_many_are_remembered() -> None:
    looks = Looks()
    await asyncio.gather(*(looks.missing.explain(named(number)) for number in range(NAMES_MAX + 100)))
    assert len(looks.missing._remembered) == NAMES_MAX
