"""Opaque cursors: the place in a list after which its next page begins. What is inserted meanwhile moves nothing."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = re.compile(r"(-?[0-9]{1,18})\.([a-z0-9_-]{1,100})", re.ASCII)


class Place(NamedTuple):
    """Where a row stands in a list: by its time, and by an entry's id or a live blog's number."""

    at: datetime
    name: str

    @classmethod
    def of(cls, entry: Entry) -> Place:
        """An entry's place: that of its publication, else of the time when it is due, else of its creation."""
        return cls(entry.published_at or entry.publish_at or entry.created_at, entry.id)

    def cursor(self) -> str:
        """The place as base64url."""
        place = f"{(self.at - _EPOCH) // _MICROSECOND}.{self.name}"
        return urlsafe_b64encode(place.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, cursor: str) -> Place:
        """The place that `cursor` made. Raises InvalidInput for anything else."""
        try:
            text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
            match = _PLACE.fullmatch(text)
            if match:
                return cls(_EPOCH + int(match[1]) * _MICROSECOND, match[2])
        except (ValueError, OverflowError):
            pass
        raise bad_cursor()


def bad_cursor() -> InvalidInput:
    """The error of a cursor that isn't ours."""
    return InvalidInput([FieldError("?cursor", "is not a cursor that this server gave")])
