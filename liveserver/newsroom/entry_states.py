"""States of an entry: which may follow which, and the times that go with each. Decides; does no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.entry import EntryStatus
from liveserver.domain.errors import Conflict, FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class Timing(NamedTuple):
    """An entry's state and its times."""

    status: EntryStatus
    publish_at: datetime | None
    published_at: datetime | None


class TimingChange(NamedTuple):
    """The state and the time that an editor asks for."""

    status: EntryStatus | None
    """None: not named."""
    publish_at: datetime | None
    names_time: bool
    """False: `publish_at` is absent, not null."""

    @property
    def time(self) -> datetime | None:
        """The time that is asked for; None if there is none."""
        return self.publish_at if self.names_time else None


def timing_of_new(change: TimingChange, at: datetime) -> Timing:
    """The timing of an entry that is made at `at`. Raises InvalidInput if the time doesn't suit the state.

    Where no state is named, it is published, or scheduled if its time is to come.
    """
    to_come = change.time is not None and change.time > at
    status = change.status or (EntryStatus.SCHEDULED if to_come else EntryStatus.PUBLISHED)
    return _RULES[None, status](Timing(status, None, None), change, at)


def timing_of_edited(current: Timing, change: TimingChange, at: datetime) -> Timing:
    """The timing of an entry that is edited at `at`. Raises Conflict if it is published, InvalidInput as for a new one.

    Where no state is named, it keeps its own.
    """
    status = change.status or current.status
    return _RULES[current.status, status](current._replace(status=status), change, at)


def _draft(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    if change.time is not None:
        raise _bad_time("goes with status scheduled, or published; not with draft")
    return timing._replace(publish_at=None)


def _schedule(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    if change.time is None:
        raise _bad_time("is needed for a scheduled entry")
    if change.time <= at:
        raise _bad_time("is gone by: an entry of that time is published, not scheduled")
    return timing._replace(publish_at=change.time)


def _schedule_again(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    # The entry's own time may have gone by: it can be edited until the scheduler has taken it.
    return _schedule(timing, change, at) if change.names_time else timing


def _publish(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    if change.time is not None and change.time > at:
        raise _bad_time("is to come: an entry of that time is scheduled, not published")
    return timing._replace(publish_at=None, published_at=change.time or at)


def _stay_published(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    if change.names_time:
        raise Conflict("the entry is published already: its time stays")
    return timing


def _unpublish(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    raise Conflict(f"a published entry can't become {timing.status}: edit it, or delete it")


def _bad_time(detail: str) -> InvalidInput:
    return InvalidInput([FieldError("/publish_at", detail)])


_RULES: dict[tuple[EntryStatus | None, EntryStatus], Callable[[Timing, TimingChange, datetime], Timing]] = {
    (None, EntryStatus.DRAFT): _draft,
    (None, EntryStatus.SCHEDULED): _schedule,
    (None, EntryStatus.PUBLISHED): _publish,
    (EntryStatus.DRAFT, EntryStatus.DRAFT): _draft,
    (EntryStatus.DRAFT, EntryStatus.SCHEDULED): _schedule,
    (EntryStatus.DRAFT, EntryStatus.PUBLISHED): _publish,
    (EntryStatus.SCHEDULED, EntryStatus.DRAFT): _draft,
    (EntryStatus.SCHEDULED, EntryStatus.SCHEDULED): _schedule_again,
    (EntryStatus.SCHEDULED, EntryStatus.PUBLISHED): _publish,
    (EntryStatus.PUBLISHED, EntryStatus.DRAFT): _unpublish,
    (EntryStatus.PUBLISHED, EntryStatus.SCHEDULED): _unpublish,
    (EntryStatus.PUBLISHED, EntryStatus.PUBLISHED): _stay_published,
}
"""The rule for each state (None: a new entry) and the one that is to follow it.

A rule gets the timing that there is with the new state in it. A deleted entry isn't here: none can be edited, and none
is deleted by an edit.
"""
