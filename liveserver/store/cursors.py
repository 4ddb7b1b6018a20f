"""Opaque cursors: the sort key after which a list's next page begins, whatever is inserted meanwhile."""

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
_SORT_KEY = re.compile(r"(-?[0-9]{1,18})\.([a-z0-9_-]{1,100})", re.ASCII)


class SortKey(NamedTuple):
    """The position of a row in a list: its time, then an entry's id or a live blog's number."""

    at: datetime
    name: str

    @classmethod
    def of(cls, entry: Entry) -> SortKey:
        """Return an entry's sort key: the time of its publication, else its due time, else its creation; and its id."""
        return cls(entry.published_at or entry.publish_at or entry.created_at, entry.id)

    def cursor(self) -> str:
        """Return the sort key as base64url."""
        text = f"{(self.at - _EPOCH) // _MICROSECOND}.{self.name}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, cursor: str) -> SortKey:
        """Return the sort key that a cursor stands for. Raises InvalidInput if `cursor` didn't make it."""
        try:
            text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
            match = _SORT_KEY.fullmatch(text)
            if match:
                return cls(_EPOCH + int(match[1]) * _MICROSECOND, match[2])
        except (ValueError, OverflowError):
            pass
        raise bad_cursor()


def bad_cursor() -> InvalidInput:
    """Return the error for a cursor that this server didn't make."""
    return InvalidInput([FieldError("?cursor", "is not a cursor that this server gave")])
