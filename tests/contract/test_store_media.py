"""The promises of every store on pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from liveserver.access.api_keys import new_key
from liveserver.domain.errors import Gone, InvalidInput, NotFound, Unauthorized, VersionConflict
from liveserver.domain.ids import EntityVersion
from tests.support.principals import NEWSROOM, key_principal
from tests.support.store_samples import NOON, a_picture, at

if TYPE_CHECKING:
    from liveserver.store import Store


async def test_what_is_added_is_found(store: Store) -> None:
    picture = replace(a_picture(), created_by=NEWSROOM.ref)
    assert await store.media.add(picture, NEWSROOM) == picture
    assert await store.media.find(picture.id) == picture


async def test_a_key_must_be_good_when_a_picture_is_added(store: Store) -> None:
    """Whichever live blogs it is limited to. Else there is no picture."""
    key, _ = new_key("Agence", ["publish"], liveblogs=["match"])
    await store.keys.add(key, NEWSROOM)
    picture = await store.media.add(a_picture(), key_principal(key.id))
    await store.keys.revoke(key.id, NOON, NEWSROOM)
    for key_id, reason in ((key.id, "revoked"), ("nobody", "unknown")):
        with pytest.raises(Unauthorized, match=reason):
            await store.media.add(a_picture(at(1)), key_principal(key_id))
    assert await store.media.page(limit=10) == ([picture], None)


async def test_what_all_of_them_take(store: Store) -> None:
    """Without those that were deleted."""
    assert await store.media.size() == 0
    pictures = [await store.media.add(replace(a_picture(at(number)), size=10**number), NEWSROOM) for number in range(4)]
    assert await store.media.size() == 1_111
    await store.media.delete(pictures[1].id, NEWSROOM, version=None, at=at(9))
    assert await store.media.size() == 1_101


async def test_those_of_many_that_were_deleted(store: Store) -> None:
    """More than one statement can ask for."""
    pictures = [await store.media.add(a_picture(at(number)), NEWSROOM) for number in range(3)]
    for picture in pictures[1:]:
        await store.media.delete(picture.id, NEWSROOM, version=None, at=at(9))
    others = [f"{number:032x}" for number in range(1_200)]
    asked = [*others, *(picture.digest for picture in pictures)]
    assert await store.media.deleted(asked) == {picture.digest for picture in pictures[1:]}
    assert await store.media.deleted([]) == set()


@pytest.mark.parametrize("media_id", ["", "x", "\x00", "01930000-0000-7000-8000-000000000000", "' OR 1=1 --"])
async def test_what_there_is_not(store: Store, media_id: str) -> None:
    with pytest.raises(NotFound):
        await store.media.find(media_id)
    with pytest.raises(NotFound):
        await store.media.edit(media_id, lambda picture: picture, NEWSROOM)
    with pytest.raises(NotFound):
        await store.media.delete(media_id, NEWSROOM, version=None, at=NOON)


async def test_words_are_edited(store: Store) -> None:
    """Each change is a version; none is none; what it is stays."""
    picture = await store.media.add(a_picture(), NEWSROOM)
    edited = await store.media.edit(picture.id, lambda p: replace(p, alt="b", credit="© c", updated_at=at(1)), NEWSROOM)
    assert edited == replace(picture, version=2, alt="b", credit="© c", updated_at=at(1))
    assert await store.media.edit(picture.id, lambda p: replace(p, id="x", version=9, digest="y"), NEWSROOM) == edited
    assert await store.media.find(picture.id) == edited


async def test_a_deleted_picture_is_a_tombstone(store: Store) -> None:
    """It says nothing any more, and is in no list."""
    picture = await store.media.add(a_picture(), NEWSROOM)
    assert await store.media.deleted([picture.digest]) == set()
    with pytest.raises(VersionConflict):
        await store.media.delete(picture.id, NEWSROOM, version=EntityVersion(2), at=at(1))
    await store.media.delete(picture.id, NEWSROOM, version=EntityVersion(1), at=at(1))
    for call in (
        store.media.find(picture.id),
        store.media.edit(picture.id, lambda p: p, NEWSROOM),
        store.media.delete(picture.id, NEWSROOM, version=None, at=at(2)),
    ):
        with pytest.raises(Gone):
            await call
    assert await store.media.deleted(["0" * 32, picture.digest]) == {picture.digest}
    assert await store.media.page(limit=10) == ([], None)


async def test_the_list_is_newest_first_and_paged(store: Store) -> None:
    """Those of one moment have an order too; what comes in meanwhile moves nothing."""
    pictures = [await store.media.add(a_picture(at(number // 2)), NEWSROOM) for number in range(5)]
    newest_first = sorted(pictures, key=lambda p: (p.created_at, p.id), reverse=True)
    first, cursor = await store.media.page(limit=2)
    await store.media.add(a_picture(at(100)), NEWSROOM)
    await store.media.delete(newest_first[3].id, NEWSROOM, version=None, at=at(100))
    second, end = await store.media.page(limit=3, cursor=cursor)
    assert first + second == [*newest_first[:3], newest_first[4]]
    assert end is None
    with pytest.raises(InvalidInput):
        await store.media.page(limit=2, cursor="x")
