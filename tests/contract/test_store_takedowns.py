"""The promises of every store on takedowns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.audience import ConfirmationCounts, Takedown
from liveserver.domain.errors import NotFound
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_liveblog, an_entry, at, fine

if TYPE_CHECKING:
    from liveserver.store import Store


async def test_what_was_kept_last_is_found(store: Store) -> None:
    """Of its own live blog only; it begins without counts, and ends with those of every partner."""
    entry = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    other = (await store.entries.create("match", an_entry(), by=NEWSROOM)).entry
    await store.liveblogs.create(a_liveblog("vote"), NEWSROOM)
    await store.entries.delete("match", entry.id, fine, by=NEWSROOM, at=at(1))
    begun = Takedown(entry.id, 3, at(1), None, {})
    await store.takedowns.keep(begun)
    assert await store.takedowns.find("match", entry.id) == begun
    ended = replace(
        begun, ended_at=at(9), by_partner={"": ConfirmationCounts(4, 2, 3, 1), "p_abc": ConfirmationCounts(2, 0, 0, 0)}
    )
    await store.takedowns.keep(ended)
    assert await store.takedowns.find("match", entry.id) == ended
    for slug, entry_id in (("vote", entry.id), ("match", other.id), ("rien", entry.id), ("match", "\x00")):
        with pytest.raises(NotFound):
            await store.takedowns.find(slug, entry_id)
