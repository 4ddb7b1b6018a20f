"""Which writes desk streams are told of, beside what the public stream tells."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from liveserver.domain.change import EntryChanged, EntryDeleted
from liveserver.domain.entry import EntryStatus
from liveserver.newsroom.desk.work_hints import WorkHints
from liveserver.store import Written
from tests.support.principals import NEWSROOM
from tests.support.store_samples import a_draft, a_liveblog, an_entry


def told(status: EntryStatus, *, seen: bool, replayed: bool = False, proposed: bool = False) -> list[str]:
    """The hints of a write that made an entry of this status. `seen`: readers see a change."""
    hints: list[str] = []
    entry = replace(an_entry() if status is EntryStatus.PUBLISHED else a_draft(), status=status)
    visible = EntryChanged(1, entry) if status is EntryStatus.PUBLISHED else EntryDeleted(1, entry.id)
    written = Written(a_liveblog(), entry, visible if seen else None, replayed, proposed)
    WorkHints(lambda slug, message: hints.append(f"{slug} {orjson.loads(message)['status']}")).written(
        written, NEWSROOM
    )
    return hints


@pytest.mark.parametrize("status", [EntryStatus.DRAFT, EntryStatus.SCHEDULED, EntryStatus.DELETED])
def test_unpublished_work_is_told(status: EntryStatus) -> None:
    assert told(status, seen=False) == [f"match {status}"]


def test_what_readers_see_is_not_told_twice() -> None:
    assert told(EntryStatus.PUBLISHED, seen=True) == []
    assert told(EntryStatus.DELETED, seen=True) == []


def test_a_proposal_to_take_a_published_entry_down_is_told() -> None:
    """Another person has to confirm it."""
    assert told(EntryStatus.PUBLISHED, seen=False, proposed=True) == ["match published"]


def test_a_withdrawn_entry_is_told_to_desk_streams_as_a_draft() -> None:
    """Readers see a deletion."""
    assert told(EntryStatus.DRAFT, seen=True) == ["match draft"]


def test_a_repeated_request_tells_nothing() -> None:
    assert told(EntryStatus.DRAFT, seen=False, replayed=True) == []
