"""The rules for the states of an entry: the allowed changes of state, and their times. This module does no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.entry import EntryStatus
from liveserver.domain.errors import Conflict, FieldError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class Timing(NamedTuple):
    """An entry's state, the time at which it is to be published, and the time at which it was published."""

    status: EntryStatus
    publish_at: datetime | None
    published_at: datetime | None


class TimingChange(NamedTuple):
    """The state and the time of publication that an editor's request asks for."""

    status: EntryStatus | None
    """The requested state; None if the request names none."""
    publish_at: datetime | None
    names_time: bool
    """True if the request has the field `publish_at`, even if its value is null."""

    @property
    def time(self) -> datetime | None:
        """The requested time of publication; None if the request names none."""
        return self.publish_at if self.names_time else None


def timing_of_new(change: TimingChange, at: datetime) -> Timing:
    """Return the state and the times of an entry that is created at the time `at`.

    If the request names no state, the entry is scheduled if the requested time is later than `at`, otherwise published.
    Raises InvalidInput if the requested time doesn't fit the state.
    """
    to_come = change.time is not None and change.time > at
    status = change.status or (EntryStatus.SCHEDULED if to_come else EntryStatus.PUBLISHED)
    return _RULES[None, status](Timing(status, None, None), change, at)


def timing_of_edited(current: Timing, change: TimingChange, at: datetime) -> Timing:
    """Return the state and the times of an entry that is edited at the time `at`.

    If the request names no state, the entry keeps its state. Raises InvalidInput if the requested time doesn't fit the
    state. Raises Conflict if the entry is published, and the request names another state or has `publish_at`.
    """
    status = change.status or current.status
    return _RULES[current.status, status](current._replace(status=status), change, at)


def _draft(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    if change.time is not None:
        raise _bad_time("goes with status scheduled, or published; not with draft")
    return timing._replace(publish_at=None)


def _wait(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    if change.time is not None:
        raise _bad_time("was set when the entry was handed in: withdraw it, and hand it in again")
    return timing


def _schedule(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    if change.time is None:
        raise _bad_time("is needed for a scheduled entry")
    if change.time <= at:
        raise _bad_time("is gone by: an entry of that time is published, not scheduled")
    return timing._replace(publish_at=change.time)


def _schedule_again(timing: Timing, change: TimingChange, at: datetime) -> Timing:
    # The entry's scheduled time may be past: until the scheduler has published the entry, editors can edit it.
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
    raise Conflict(f"a published entry can't become {timing.status}: edit it, withdraw it, or delete it")


def _bad_time(detail: str) -> InvalidInput:
    return InvalidInput([FieldError("/publish_at", detail)])


_RULES: dict[tuple[EntryStatus | None, EntryStatus], Callable[[Timing, TimingChange, datetime], Timing]] = {
    (None, EntryStatus.DRAFT): _draft,
    (None, EntryStatus.SCHEDULED): _schedule,
    (None, EntryStatus.PUBLISHED): _publish,
    (EntryStatus.DRAFT, EntryStatus.DRAFT): _draft,
    (EntryStatus.DRAFT, EntryStatus.SCHEDULED): _schedule,
    (EntryStatus.DRAFT, EntryStatus.PUBLISHED): _publish,
    (EntryStatus.REVIEW, EntryStatus.DRAFT): _draft,
    (EntryStatus.REVIEW, EntryStatus.REVIEW): _wait,
    (EntryStatus.REVIEW, EntryStatus.SCHEDULED): _schedule,
    (EntryStatus.REVIEW, EntryStatus.PUBLISHED): _publish,
    (EntryStatus.SCHEDULED, EntryStatus.DRAFT): _draft,
    (EntryStatus.SCHEDULED, EntryStatus.SCHEDULED): _schedule_again,
    (EntryStatus.SCHEDULED, EntryStatus.PUBLISHED): _publish,
    (EntryStatus.PUBLISHED, EntryStatus.DRAFT): _unpublish,
    (EntryStatus.PUBLISHED, EntryStatus.SCHEDULED): _unpublish,
    (EntryStatus.PUBLISHED, EntryStatus.PUBLISHED): _stay_published,
}
"""The rules for the states of an entry, by its present state (None: a new entry) and the requested state.

A rule gets three arguments: the entry's present times together with the requested state, the request, and the time now.
No rule concerns deleted entries: they can't be edited, and an edit can't delete an entry.
"""
