"""Every state of an entry, every state asked for, every time: what follows, or why it may not."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.entry import EntryStatus
from liveserver.domain.errors import Conflict, InvalidInput
from liveserver.newsroom.entry_states import Timing, TimingChange, timing_of_edited, timing_of_new
from tests.support.store_samples import NOON

if TYPE_CHECKING:
    from datetime import datetime

DRAFT, SCHEDULED, PUBLISHED = EntryStatus.DRAFT, EntryStatus.SCHEDULED, EntryStatus.PUBLISHED
PAST, FUTURE, STORED = NOON - timedelta(hours=1), NOON + timedelta(hours=1), NOON + timedelta(days=1)

CURRENT = {
    DRAFT: Timing(DRAFT, None, None),
    SCHEDULED: Timing(SCHEDULED, STORED, None),
    PUBLISHED: Timing(PUBLISHED, None, NOON - timedelta(days=1)),
}
TIMES: dict[str, tuple[datetime | None, bool]] = {
    "absent": (None, False),
    "null": (None, True),
    "past": (PAST, True),
    "now": (NOON, True),
    "future": (FUTURE, True),
}

NOT_WITH_DRAFT = "/publish_at: goes with status scheduled, or published; not with draft"
NEEDED = "/publish_at: is needed for a scheduled entry"
GONE_BY = "/publish_at: is gone by: an entry of that time is published, not scheduled"
TO_COME = "/publish_at: is to come: an entry of that time is scheduled, not published"
TIME_STAYS = "conflict: the entry is published already: its time stays"


def timing(status: EntryStatus, time: datetime | None = None) -> Timing:
    """The timing of that state, whose time is the one when it is, or was, published."""
    return Timing(status, time, None) if status is SCHEDULED else Timing(status, None, time)


def no_return(status: EntryStatus) -> str:
    return f"conflict: a published entry can't become {status}: edit it, withdraw it, or delete it"


Outcomes = list[Timing | str]
"""By the time: absent, null, past, now, future."""

TO_DRAFT: Outcomes = [timing(DRAFT), timing(DRAFT), NOT_WITH_DRAFT, NOT_WITH_DRAFT, NOT_WITH_DRAFT]
TO_SCHEDULED: Outcomes = [NEEDED, NEEDED, GONE_BY, GONE_BY, timing(SCHEDULED, FUTURE)]
PUBLISHED_OUTCOMES = [
    timing(PUBLISHED, NOON),
    timing(PUBLISHED, NOON),
    timing(PUBLISHED, PAST),
    timing(PUBLISHED, NOON),
]
TO_PUBLISHED: Outcomes = [*PUBLISHED_OUTCOMES, TO_COME]
STAYS_SCHEDULED: Outcomes = [timing(SCHEDULED, STORED), NEEDED, GONE_BY, GONE_BY, timing(SCHEDULED, FUTURE)]
STAYS_PUBLISHED: Outcomes = [CURRENT[PUBLISHED], TIME_STAYS, TIME_STAYS, TIME_STAYS, TIME_STAYS]

# By the state it has (None: it is new) and the one asked for (None: none is named).
OUTCOMES: dict[tuple[EntryStatus | None, EntryStatus | None], Outcomes] = {
    (None, None): [*PUBLISHED_OUTCOMES, timing(SCHEDULED, FUTURE)],
    (None, DRAFT): TO_DRAFT,
    (None, SCHEDULED): TO_SCHEDULED,
    (None, PUBLISHED): TO_PUBLISHED,
    (DRAFT, None): TO_DRAFT,
    (DRAFT, DRAFT): TO_DRAFT,
    (DRAFT, SCHEDULED): TO_SCHEDULED,
    (DRAFT, PUBLISHED): TO_PUBLISHED,
    (SCHEDULED, None): STAYS_SCHEDULED,
    (SCHEDULED, DRAFT): TO_DRAFT,
    (SCHEDULED, SCHEDULED): STAYS_SCHEDULED,
    (SCHEDULED, PUBLISHED): TO_PUBLISHED,
    (PUBLISHED, None): STAYS_PUBLISHED,
    (PUBLISHED, DRAFT): [no_return(DRAFT)] * 5,
    (PUBLISHED, SCHEDULED): [no_return(SCHEDULED)] * 5,
    (PUBLISHED, PUBLISHED): STAYS_PUBLISHED,
}


def outcome(current: EntryStatus | None, asked: EntryStatus | None, time: str) -> Timing | str:
    change = TimingChange(asked, *TIMES[time])
    try:
        return timing_of_new(change, NOON) if current is None else timing_of_edited(CURRENT[current], change, NOON)
    except InvalidInput as error:
        return str(error)
    except Conflict as error:
        return f"conflict: {error}"


@pytest.mark.parametrize("current", [None, DRAFT, SCHEDULED, PUBLISHED])
@pytest.mark.parametrize("asked", [None, DRAFT, SCHEDULED, PUBLISHED])
def test_matrix(current: EntryStatus | None, asked: EntryStatus | None) -> None:
    assert [outcome(current, asked, time) for time in TIMES] == OUTCOMES[current, asked]


def test_a_scheduled_entry_whose_time_has_just_gone_by_can_be_edited() -> None:
    """Until the scheduler has taken it, an editor may say again that it is scheduled."""
    due = CURRENT[SCHEDULED]._replace(publish_at=PAST)
    for asked in (None, SCHEDULED):
        assert timing_of_edited(due, TimingChange(asked, None, names_time=False), NOON) == due


def test_the_outcome_suits_its_state() -> None:
    """A scheduled entry has a time to come, a published one the time when it was; a draft has none."""
    for current, asked, time in product((None, *CURRENT), (None, *CURRENT), TIMES):
        found = outcome(current, asked, time)
        if isinstance(found, Timing):
            assert (found.publish_at is not None) == (found.status is SCHEDULED)
            assert (found.published_at is not None) == (found.status is PUBLISHED)
