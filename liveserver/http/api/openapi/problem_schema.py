"""The model of problem documents, for the OpenAPI document. `http/problems.py` makes problem documents."""

from __future__ import annotations

from pydantic import Field

from liveserver.http.api.openapi.people_schemas import UserObject
from liveserver.http.api.openapi.schemas import (
    EntryObject,
    LiveblogObject,
    MediaObject,
    PartnerObject,
    Reason,
    Shape,
)
from liveserver.http.api.openapi.work_schemas import WorkObject


class BadField(Shape):
    """A field of a request that isn’t valid, and the reason."""

    pointer: str = Field(description="JSON pointer into the body, `?name` of the query, or a header's name")
    detail: str


class Problem(Shape):
    """A problem document (RFC 9457): what went wrong with a request."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = Field(None, description="The path; not where it was too long to be looked at (414)")
    errors: list[BadField] | None = Field(None, description="422: every bad field")
    reason: Reason | None = Field(None, description="403 of a partner, or of a page on another site")
    current: WorkObject | EntryObject | LiveblogObject | MediaObject | PartnerObject | UserObject | None = Field(
        None, description="412: the current state"
    )
