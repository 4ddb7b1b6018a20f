"""The states of an entry: permitted changes between them, and the times of each. Decides; does no I/O."""

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
    """The state and the time that an editor requests."""

    status: EntryStatus | None
    """None: the request names no state."""
    publish_at: datetime | None
    names_time: bool
    """False: the request has no `publish_at`; True: it has one, perhaps null."""

    @property
    def time(self) -> datetime | None:
        """The requested time; None if there is none."""
        return self.publish_at if self.names_time else None


def timing_of_new(change: TimingChange, at: datetime) -> Timing:
    """Return the timing of an entry that is created at `at`. Raises InvalidInput if the time doesn't fit the state.

    If the request names no state, the entry is published, or scheduled if its time lies ahead.
    """
    to_come = change.time is not None and change.time > at
    status = change.status or (EntryStatus.SCHEDULED if to_come else EntryStatus.PUBLISHED)
    return _RULES[None, status](Timing(status, None, None), change, at)


def timing_of_edited(current: Timing, change: TimingChange, at: datetime) -> Timing:
    """Return the timing of an entry that is edited at `at`. Raises InvalidInput as for a new one, and Conflict.

    If the request names no state, the entry keeps its own. Conflict: it is published, which an edit can't undo or date
    otherwise.
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
    # The entry's own time may be past: it can be edited until the scheduler has published it.
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
"""The rule for each state (None: a new entry) and each requested state.

A rule gets the present timing, but with the requested state. There are no rules for deleted entries: they can't be
edited, and an edit deletes none.
"""
