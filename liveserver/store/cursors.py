"""Cursors. A client gets a list in pages, and a cursor holds the sort key of the last row of a page.

The next page begins after this sort key. So if a row is inserted between two requests, no other row is sent twice or
left out. To clients, a cursor is an opaque text.
"""

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
    """The place of a row in a list. A list is ordered by the rows' times; rows of the same time are ordered by name."""

    at: datetime
    name: str

    @classmethod
    def of(cls, entry: Entry) -> SortKey:
        """Return an entry's sort key. The name is the entry's id.

        The time is the entry's time of publication. If the entry wasn't published, it is the due time. If the entry
        has no due time either, it is the time of creation.
        """
        return cls(entry.published_at or entry.publish_at or entry.created_at, entry.id)

    def cursor(self) -> str:
        """Return the cursor for this sort key: its time and name as one text, in base64url."""
        text = f"{(self.at - _EPOCH) // _MICROSECOND}.{self.name}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, cursor: str) -> SortKey:
        """Return the sort key in a cursor. Raises InvalidInput if the text isn't a cursor as `cursor()` makes it."""
        try:
            text = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
            match = _SORT_KEY.fullmatch(text)
            if match:
                return cls(_EPOCH + int(match[1]) * _MICROSECOND, match[2])
        except (ValueError, OverflowError):
            pass
        raise bad_cursor()


def bad_cursor() -> InvalidInput:
    """Return the error to raise for a cursor that this server didn't make."""
    return InvalidInput([FieldError("?cursor", "is not a cursor that this server gave")])
