"""The query parameters of the API's operations, with one model for each set of parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from liveserver.domain.entry import TAG_MAX, EntryStatus
from liveserver.domain.errors import InvalidInput
from liveserver.domain.inputs.fields import Day, clean
from liveserver.domain.inputs.parsing import parse
from liveserver.store.cursors import SortKey

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.domain.inputs.parsing import InputType


SEARCH_MAX = 100
"""The greatest length of a search text on the board, in characters. Nobody types a longer text, and the database
compares the text with each entry."""


class Query(BaseModel):
    """The base of all models of query parameters. Unknown parameters are ignored, as proxies may add some."""

    model_config = ConfigDict(extra="ignore")


def _cursor(value: str) -> str:
    """Return a client's cursor in the form in which this server writes it. Raises ValueError if it isn't a cursor.

    In that form, all cursors for the same place in a list are equal. So a cache that has cursors in its keys keeps only
    one answer for all these cursors.
    """
    try:
        return SortKey.parse(value).cursor()
    except InvalidInput as error:
        raise ValueError(error.errors[0].detail) from None


class PageQuery(Query):
    """The parameters that choose a page of a list."""

    limit: int = Field(20, ge=1, le=100, description="Items on a page at most; fewer where they are long")
    cursor: Annotated[str, Field(max_length=500), AfterValidator(_cursor)] | None = Field(
        None, description="`next_cursor` of the page before"
    )


class PartnerQuery(Query):
    """The parameter that names a partner, if the reader reads on this partner's pages."""

    partner: str | None = Field(None, max_length=100, description="The id of the partner on whose pages it is shown")


class EntriesQuery(PageQuery, PartnerQuery):
    """The parameters that choose the entries of a list, and their order."""

    order: Literal["newest", "oldest"] = Field("newest", description="By time of publication, then id")
    key_events: bool = Field(False, description="Key events only")
    tag: str | None = Field(None, max_length=TAG_MAX, description="Only those with this tag")
    verification: Literal["confirmed", "claimed", "unverified", "denied"] | None = Field(
        None, description="Only those of this verification"
    )
    status: Literal["draft", "review", "scheduled", "published"] | None = Field(
        None,
        description="Only those of this status; others than `published` need a key with the scope `publish`, or at the "
        "desk a role here",
    )


def _statuses(value: str) -> str:
    if bad := [name for name in value.split(",") if name not in _ON_BOARD]:
        raise ValueError(f"has {bad[0]!r}; there are {', '.join(_ON_BOARD)}")
    return value


_ON_BOARD = tuple(status.value for status in EntryStatus if status is not EntryStatus.DELETED)


class BoardQuery(PageQuery):
    """The parameters that choose the entries of a page of the board."""

    status: Annotated[str, Field(max_length=100), AfterValidator(_statuses)] | None = Field(
        None, description="Only those of these statuses, commas between; without it, all that aren’t deleted"
    )
    q: Annotated[str, Field(min_length=1, max_length=SEARCH_MAX), AfterValidator(clean)] | None = Field(
        None, description="Only those with this text in heading, body, authors or tags"
    )
    mine: bool = Field(False, description="Only one’s own")


class DeleteQuery(Query):
    """The parameter of a request to delete, withdraw or erase an entry."""

    confirm: bool = Field(False, description="Ask every viewer to confirm that the entry is gone")


class ReachQuery(Query):
    """The parameters that choose the days and the partner of a report on reach."""

    since: Day | None = Field(
        None, alias="from", description="The first day, in the live blog’s time zone; without it, 30 days in all"
    )
    until: Day | None = Field(None, alias="to", description="The last day; without it, today")
    partner: Annotated[str, Field(max_length=64), AfterValidator(clean)] | None = Field(
        None, description="Of this partner only; empty: of no partner"
    )


class SnapshotQuery(PartnerQuery):
    """The parameters of a snapshot: its size, and the partner."""

    limit: int = Field(20, ge=1, le=100, description="The newest entries to include; fewer where they are long")


class UploadQuery(Query):
    """The alternative text and credit of an uploaded picture, if the request body is the picture itself."""

    alt: str | None = Field(None, description="As in the form; needed where the body is the picture")
    credit: str | None = Field(None, description="As in the form")


class ChangesQuery(PartnerQuery):
    """The parameters that choose changes: the client's position, the greatest number of changes, and the partner."""

    after: str = Field(description="A position, for example `k3f9x2ab-42`", max_length=100)
    limit: int = Field(100, ge=1, le=200, description="Events to return at most; fewer where they are long")


def query_of(request: Request, kind: type[InputType]) -> InputType:
    """Return the query parameters as a model. Raises InvalidInput, which names every parameter that isn't valid."""
    return parse(kind, dict(request.query_params), prefix="?")
