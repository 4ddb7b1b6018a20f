"""Checks that liveserver could have written the rows of a backup. Somebody else may have written the backup's file.

Every value is checked against the type of its column. Some columns have a second, stricter check, with the types of the
API's inputs: a bad value in such a column could make a server fail, or could harm readers. Two kinds of
values do no harm, and pass the checks: texts that are longer than the API allows today, and values in a form that
earlier releases wrote.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import JSON, BigInteger, Boolean, Integer, String

from liveserver.domain.entry import Action, EntryStatus, ReviewAction, Verification
from liveserver.domain.ids import ID_PATTERN, PARTNER_ID_PATTERN, USER_ID_PATTERN
from liveserver.domain.inputs.fields import Link, Origin, Slug, StoredLanguage, Timezone, clean, live_page
from liveserver.domain.inputs.models import EmbeddingInput, ThemeInput
from liveserver.domain.liveblog import LiveblogStatus, TwoPersons
from liveserver.domain.partner import DELAY_MAX
from liveserver.domain.people.principal import PrincipalKind
from liveserver.domain.people.rights import Role
from liveserver.domain.source import SourceState
from liveserver.store import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Column, Table

    from liveserver.store.backup.archive import Row

YEARS = range(1970, 9999)
"""The years in which a moment may lie. In a year beyond these, the conversion to a time zone could leave the range of
`datetime`."""

EntryId = Annotated[str, Field(pattern=ID_PATTERN)]
PlainText = Annotated[str, AfterValidator(clean)]
"""A text without control characters. Commands write such texts to a terminal."""
PartnerId = Annotated[str, Field(pattern=PARTNER_ID_PATTERN)]


def _rfc3339(value: str) -> str:
    moment_of(value)
    return value


Moment = Annotated[str, AfterValidator(_rfc3339)]


class _Document(BaseModel):
    """Base of the types of JSON documents. It refuses unknown fields: code that reads the document may fail on them."""

    model_config = ConfigDict(extra="forbid")


class _Correction(_Document):
    at: Moment
    note: str


class _Via(_Document):
    name: str
    url: Link


class _Attribution(_Document):
    text: str
    url: Link


class _Counts(_Document):
    asked: int
    had: int
    confirmed: int
    gone: int


class _Review(_Document):
    action: ReviewAction
    by: str
    name: str
    at: Moment
    version: int
    publish_at: Moment | None
    reason: str | None


class _Entry(_Document):
    """The JSON document in a row of `revisions`: an entry."""

    id: EntryId
    seq: int | None
    version: int
    status: EntryStatus
    heading: str | None
    body: str
    authors: list[str]
    key_event: bool
    breaking: bool
    pinned: bool
    tags: list[str]
    verification: Verification | None
    source: str | None
    corrections: list[_Correction]
    publish_at: Moment | None
    published_at: Moment | None
    created_at: Moment
    updated_at: Moment
    via: _Via | None = None
    created_by: str | None = None
    review: _Review | None = None
    withdrawn_at: Moment | None = None


class _Liveblog(_Document):
    """The JSON document in a row of `moments`: a live blog's own fields."""

    title: str
    summary: str
    language: StoredLanguage
    timezone: Timezone
    status: LiveblogStatus
    version: int
    changed_seq: int
    updated_at: Moment


UserId = Annotated[str, Field(pattern=USER_ID_PATTERN)]

_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "liveblogs": {
        "slug": Slug,
        "language": StoredLanguage,
        "timezone": Timezone,
        "status": LiveblogStatus,
        "embedding": EmbeddingInput | None,
        "two_persons": list[TwoPersons] | None,
    },
    "entries": {
        "id": EntryId,
        "status": EntryStatus,
        "authors": list[str],
        "tags": list[str],
        "verification": Verification | None,
        "corrections": list[_Correction],
        "via": _Via | None,
        "review": _Review | None,
    },
    "revisions": {"action": Action, "entry": _Entry},
    "takedowns": {"by_partner": dict[str, _Counts]},
    "media": {
        "id": EntryId,
        "digest": Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")],
        "suffix": Literal["jpg", "webp"],
        "width": Annotated[int, Field(ge=1, le=99_999)],
        "height": Annotated[int, Field(ge=1, le=99_999)],
    },
    "partners": {
        "id": PartnerId,
        "name": PlainText,
        "origins": list[Origin],
        "liveblogs": list[Slug],
        "tags": list[str],
        "delay": Annotated[int, Field(le=DELAY_MAX)],
        "theme": ThemeInput,
        "attribution": _Attribution | None,
    },
    "moments": {"before": _Liveblog | None},
    "sources": {"remote_slug": Slug, "partner": PartnerId | None, "url": Link | None, "state": SourceState},
    "users": {"id": UserId, "name": PlainText, "role": Role | None},
    "memberships": {"user_id": UserId, "role": Role},
    "notes": {"id": EntryId},
    "acts": {"id": EntryId, "kind": PrincipalKind},
    "api_keys": {
        "id": Annotated[str, Field(pattern=r"^[a-z0-9]+$")],
        "name": PlainText,
        "scopes": list[Literal["publish", "manage"]],
        "liveblogs": list[Slug] | None,
    },
}
"""The types for the second, stricter check of some columns, by the name of the table, then of the column."""


def values_of(row: Row, table: Table) -> Row:
    """Return a backup's row with its values converted to the types of the table's columns, such as texts to datetimes.

    Raises ValueError, with a message for people, if a value doesn't fit the type of its column.
    """
    return {column.name: _value(row[column.name], column) for column in table.c}


def check(name: str, row: Row, safe: Callable[[str], str]) -> None:
    """Check the columns of a row that have a stricter type in `_FIELDS`, and make the body of an entry safe.

    `name`: the row's table, in the newest schema. `row`: the row to check. `safe`: makes the HTML of a body safe. If
    `row` has an entry's body, the result of `safe` replaces this body. Raises ValueError, with a message for people, if
    no liveserver can have written the row. Raises what `safe` raises.
    """
    for column, adapter in _adapters(name):
        try:
            adapter.validate_python(row[column])
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, (column, *first["loc"])))
            raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    match name:
        case "entries":
            row["body"] = safe(row["body"])
        case "revisions":
            row["entry"]["body"] = safe(row["entry"]["body"])
        case "sources":
            live_page(f"{row['server']}/live/{row['remote_slug']}")


def moment_of(value: object) -> datetime:
    """Return the moment that a text names, in UTC. Raises ValueError if the text is no RFC 3339 time within YEARS."""
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("is no moment (RFC 3339)") from None
    if moment.tzinfo is None:
        raise ValueError("has no time zone")
    if moment.year not in YEARS:
        raise ValueError(f"lies beyond the years {YEARS[0]} and {YEARS[-1]}")
    return moment.astimezone(UTC)


@cache
def _adapters(name: str) -> tuple[tuple[str, TypeAdapter[Any]], ...]:
    return tuple((column, TypeAdapter(column_type)) for column, column_type in _FIELDS.get(name, {}).items())


def _value(value: Any, column: Column[Any]) -> Any:
    if value is None:
        # If the column needs a value, the database will refuse the row.
        return None
    try:
        return _typed(value, column.type)
    except ValueError as error:
        raise ValueError(f"{column.name} {error}") from None


def _typed(value: Any, column_type: object) -> Any:
    match column_type:
        case tables.UTCDateTime():
            return moment_of(value)
        case Boolean():
            if not isinstance(value, bool):
                raise ValueError("is neither true nor false")
        case Integer():
            bits = 63 if isinstance(column_type, BigInteger) else 31
            if type(value) is not int or not 0 <= value < 1 << bits:
                raise ValueError(f"is no number from 0 to 2^{bits} - 1")
        case JSON():
            if any("\0" in text for text in _texts(value)):
                raise ValueError("has a NUL")
        case String():
            if not isinstance(value, str):
                raise ValueError("is no text")
            if "\0" in value:
                raise ValueError("has a NUL")
    return value


def _texts(document: Any) -> Iterator[str]:
    """Yield all texts in a JSON document, including the names of fields.

    Works without recursion, as a document may be nested more deeply than Python's recursion limit allows.
    """
    rest = [document]
    while rest:
        match rest.pop():
            case str() as text:
                yield text
            case list() as items:
                rest += items
            case dict() as items:
                rest += items.keys()
                rest += items.values()
