"""Models of the answers about the newsroom's own work on entries: reviews, notes, the board, and previews."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from liveserver.domain.entry import EntryStatus, ReviewAction
from liveserver.domain.liveblog import TwoPersons
from liveserver.http.api.openapi.schemas import EntryObject, Shape


class ReviewObject(Shape):
    """The last step of an entry’s review (it was handed in or returned), or a proposal for its takedown."""

    action: ReviewAction = Field(description="What was asked for")
    by: str = Field(description="The user or API key that handed it in, returned it, or made the proposal")
    name: str = Field(description="Its name at that time")
    at: datetime
    version: int = Field(description="The version that it is about")
    publish_at: datetime | None
    reason: str | None = Field(description="Why it was returned")


class WorkObject(EntryObject):
    """An entry as those who work on it see it."""

    created_at: datetime
    created_by: str | None
    withdrawn_at: datetime | None = Field(description="Since when readers don’t see it any more")
    review: ReviewObject | None
    notes: int | None = Field(None, description="How many notes there are on it; only on the board")


class Proposal(Shape):
    """A takedown that was proposed. Another person has to ask for the same."""

    proposal: ReviewObject


class NoteObject(Shape):
    """A note on an entry, which readers never see."""

    id: str
    by: str
    name: str
    at: datetime
    text: str


class NoteList(Shape):
    """The notes on an entry, oldest first."""

    items: list[NoteObject]


class BoardObject(Shape):
    """A page of a live blog’s entries that aren’t deleted, newest first."""

    items: list[WorkObject]
    counts: dict[EntryStatus, int] = Field(description="Of all entries, by status")
    two_persons: list[TwoPersons]
    next_cursor: str | None


class CardObject(Shape):
    """A share card: the texts on it, and the picture."""

    label: str
    kicker: str
    title: str
    text: str
    note: str
    image: str = Field(description="A `data:` URL")


class AlertObject(Shape):
    """An alert: what a reader’s device shows."""

    title: str
    text: str


class PreviewObject(Shape):
    """An entry as readers would see it. Nothing of it is kept."""

    html: str = Field(description="The entry on the page: one `<article>`")
    widget: str = Field(description="The page of the widget, with this entry alone")
    card: CardObject
    feed: dict[str, Any] = Field(description="The item of the JSON feed")
    alert: AlertObject
