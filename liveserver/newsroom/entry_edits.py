"""Edits of entries: what an editor's input makes of an entry. This module does no I/O."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from liveserver.domain.entry import CORRECTIONS_MAX, Correction, Entry, EntryStatus
from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.newsroom.entry_states import Timing, TimingChange, timing_of_edited

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.inputs.models import EntryInput, EntryPatch


def timing_change(timing_input: EntryInput | EntryPatch) -> TimingChange:
    """Return the state and the time of publication that an editor's input asks for."""
    status = timing_input.status if "status" in timing_input.model_fields_set else None
    names_time = "publish_at" in timing_input.model_fields_set
    return TimingChange(
        EntryStatus(status) if status else None, timing_input.publish_at if names_time else None, names_time=names_time
    )


def edited(current: Entry, patch: EntryPatch, body: str | None, at: datetime) -> Entry:
    """Return the entry that results if `patch` is applied to `current`.

    `body`: the new body, made safe; None if the patch has none. `at`: the time of the edit. Raises InvalidInput. Raises
    Conflict if the entry's state forbids the requested state or time.
    """
    names = patch.model_fields_set
    fields: dict[str, Any] = {name: getattr(patch, name) for name in names & _PLAIN_FIELDS}
    fields |= {name: tuple(getattr(patch, name)) for name in names & _LIST_FIELDS}
    if body is not None:
        fields["body"] = body
    entry = replace(current, **fields)
    if patch.correction is not None:
        if len(current.corrections) >= CORRECTIONS_MAX:
            raise InvalidInput([FieldError("/correction", f"is one too many: an entry has at most {CORRECTIONS_MAX}")])
        entry = replace(entry, corrections=(*current.corrections, Correction(at, patch.correction)))
    if names & {"status", "publish_at"}:
        current_timing = Timing(entry.status, entry.publish_at, entry.published_at)
        entry = replace(entry, **timing_of_edited(current_timing, timing_change(patch), at)._asdict())
        if entry.status is not current.status:
            # Whatever was handed in or returned is over.
            entry = replace(entry, review=None)
    if all(getattr(entry, name) == getattr(current, name) for name in _CONTENT_FIELDS):
        return entry
    published_now = entry.status is EntryStatus.PUBLISHED and current.status is not EntryStatus.PUBLISHED
    return replace(entry, updated_at=entry.published_at if published_now and entry.published_at else at)


_PLAIN_FIELDS = frozenset({"heading", "key_event", "breaking", "pinned", "verification", "source"})
_LIST_FIELDS = frozenset({"authors", "tags"})
_CONTENT_FIELDS = ("heading", "body", "authors", "verification", "source", "corrections", "status", "published_at")
"""The fields of an entry that count as its content. An edit of one of these fields sets `updated_at`. An edit that
changes only pinned, key event, breaking or tags doesn't."""
