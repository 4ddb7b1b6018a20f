"""Models of the API's answers, for the OpenAPI document.

`protocol/resources.py` makes the answers. A test checks that they fit these models.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from liveserver.domain.entry import Action, EntryStatus, Verification
from liveserver.domain.liveblog import LiveblogStatus, TwoPersons
from liveserver.domain.source import SourceState


class Shape(BaseModel):
    """The base class of the models of all answers."""

    model_config = ConfigDict(extra="forbid")


class EmbeddingObject(Shape):
    """The sites, besides partners, whose pages may show a live blog."""

    mode: Literal["anyone", "origins", "nobody"]
    origins: list[str]


class LiveblogObject(Shape):
    """One live coverage."""

    slug: str
    title: str
    summary: str
    language: str = Field(description="BCP 47")
    timezone: str = Field(description="IANA name")
    status: LiveblogStatus
    version: int
    created_at: datetime
    updated_at: datetime
    embedding: EmbeddingObject
    url: str = Field(description="The reader's page")
    two_persons: list[TwoPersons] | None = Field(None, description="Only at the desk: what one person alone can’t do")


class CorrectionObject(Shape):
    """A public note on what was corrected."""

    at: datetime
    note: str


class ViaObject(Shape):
    """The attribution of an entry that was taken over from another live blog: a name, and a link."""

    name: str
    url: str = Field(description="The address to which the name of the source links")


class EntryObject(Shape):
    """One item of a live blog."""

    id: str = Field(description="UUIDv7")
    seq: int | None = Field(description="The last change of what readers see; null while they never saw it")
    version: int
    status: EntryStatus
    heading: str | None
    body: str = Field(description="The sanitised HTML as it was written")
    html: str = Field(description="The whole entry rendered: one `<article>`")
    authors: list[str]
    key_event: bool
    breaking: bool
    pinned: bool
    tags: list[str]
    verification: Verification | None
    source: str | None
    corrections: list[CorrectionObject]
    published_at: datetime | None
    updated_at: datetime
    url: str = Field(description="The permalink")
    publish_at: datetime | None = Field(None, description="Only while the entry isn't published")
    via: ViaObject | None = Field(None, description="Only of what was taken over from another live blog")


class KeyEventObject(Shape):
    """One line of the summary of key events."""

    id: str
    title: str = Field(description="The entry in one line of plain text, of a claim after its label")
    published_at: datetime
    url: str


class LiveblogList(Shape):
    """A page of live blogs, newest first."""

    items: list[LiveblogObject]
    next_cursor: str | None


class EntryList(Shape):
    """A page of entries."""

    items: list[EntryObject]
    next_cursor: str | None
    epoch: str = Field(description="The history that the entries are of: never put pages of two together")
    seq: int = Field(description="As of when the entries are: what was deleted by then isn't among them")


class CountsObject(Shape):
    """How many viewers were asked to confirm a deletion, and how many of them did so, left, or haven’t answered."""

    asked: int
    had: int = Field(description="Of those who confirmed: they had the entry until then")
    confirmed: int
    gone: int = Field(description="They left without having answered")
    waiting: int = Field(description="They are connected, and haven’t answered")


class TakedownObject(CountsObject):
    """The state of a takedown: how many viewers were asked to confirm, and how many have confirmed."""

    entry_id: str
    seq: int = Field(description="The change that deleted the entry")
    at: datetime
    ended_at: datetime | None = Field(description="When counting ended; null while it goes on")
    by_partner: dict[str, CountsObject] = Field(description='By the partner’s id; `""`: none')


class Deletion(Shape):
    """A deletion of an entry that viewers are asked to confirm."""

    takedown: TakedownObject | None = Field(description="null: readers never saw the entry")


class ReachHourObject(Shape):
    """The reach of a live blog in one hour."""

    hour: datetime = Field(description="Its beginning")
    views: int
    seconds: int
    peak: int


class ReachDayObject(Shape):
    """The reach of a live blog on one day, in the live blog’s time zone."""

    date: date
    views: int
    seconds: int
    peak: int


class PartnerReachObject(Shape):
    """The reach of a live blog on one partner’s pages."""

    partner: str = Field(description="The partner’s id; empty: no partner")
    viewers: int = Field(description="Now, on all nodes")
    views: int = Field(
        description="Streams that were opened; a viewer that lost its connection and came back counts again"
    )
    seconds: int = Field(description="For which they were open, added up")
    peak: int = Field(description="The most that were open at once")
    days: list[ReachDayObject]
    hours: list[ReachHourObject] = Field(description="Those in which there was anybody")


class ReachObject(Shape):
    """The reach of a live blog, without anything of any single reader."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    liveblog: str = Field(description="Its slug")
    timezone: str
    since: date = Field(alias="from")
    until: date = Field(alias="to", description="The last day")
    partners: list[PartnerReachObject]


class ReachLinkObject(Shape):
    """A link to the page of a live blog’s reach."""

    url: str = Field(description="Anybody who has it sees the page, without a key or session. It is shown this once")
    expires_at: datetime


class RevisionObject(Shape):
    """One revision: a state that an entry had."""

    version: int
    at: datetime
    actor: str = Field(description="The name of the user or API key")
    action: Action
    entry: EntryObject


class RevisionList(Shape):
    """A page of an entry’s revisions, oldest first. If they are large, the page has fewer than were asked for."""

    items: list[RevisionObject]
    next_cursor: str | None


class SnapshotObject(Shape):
    """A snapshot: what a page starts from. Everything in it is as of the position `epoch` and `seq`."""

    epoch: str
    seq: int
    liveblog: LiveblogObject
    pinned: list[EntryObject]
    key_events: list[KeyEventObject]
    entries: list[EntryObject] = Field(description="The newest first, pinned ones among them")
    next_cursor: str | None


class ChangesObject(Shape):
    """The changes since a position, as messages of the stream, in ascending order of seq.

    Of each thing that changed, only the latest state is there.
    """

    epoch: str
    seq: int = Field(description="Where you stand after these events; ask again from there")
    more: bool = Field(description="There is more already")
    events: list[dict[str, Any]]


class ChangesReset(Shape):
    """The live blog never had the position that was asked for. Start again from a snapshot."""

    reset: Literal[True]
    epoch: str
    seq: int


class RenditionObject(Shape):
    """A picture in one width."""

    url: str
    width: int
    height: int


class MediaObject(Shape):
    """A picture, ready to be put into entries."""

    id: str = Field(description="UUIDv7")
    version: int
    url: str = Field(description="The largest file; it never changes")
    type: Literal["image/jpeg", "image/webp"]
    width: int = Field(description="Pixels, of the largest file")
    height: int
    size: int = Field(description="Bytes, of the largest file")
    alt: str
    credit: str | None
    srcset: list[RenditionObject] = Field(description="Every width that there is, narrowest first")
    html: str = Field(description="A `<figure>` to be put into an entry’s body")
    actor: str = Field(description="The name of the user or API key that sent it")
    created_at: datetime
    updated_at: datetime


class MediaList(Shape):
    """A page of pictures, newest first."""

    items: list[MediaObject]
    next_cursor: str | None


class ThemeObject(Shape):
    """The look of live blogs on a partner's pages, unless a page chooses another. Only what was set is there."""

    accent: str | None = None
    background: str | None = None
    text: str | None = None
    font: str | None = None
    scheme: Literal["auto", "light", "dark"] | None = None


class AttributionObject(Shape):
    """How a partner's page says whose live blog it shows: a text, and a link."""

    text: str
    url: str


class SourceAttribution(Shape):
    """How entries that were taken over from a source say whose they are: a text, and a link."""

    text: str
    url: str | None = Field(description="Where that leads; null: to each entry, where it stands there")


class SourceObject(Shape):
    """The source that a live blog follows, and how far its entries have been taken over."""

    url: str
    partner: str | None = Field(description="As which partner of theirs it is read")
    attribution: SourceAttribution | None = Field(description="null: what the source asks for, else its host’s name")
    state: SourceState
    error: str | None = Field(description="What went wrong last; null while all is well")
    position: str | None = Field(description="Up to where the source’s changes are here; null: not yet all it has")
    behind: int | None = Field(description="Of the source’s changes that we know of, those that aren’t here yet")
    heard_at: datetime | None = Field(description="When the source last said anything")
    created_at: datetime


class PartnerObject(Shape):
    """A partner: another site that shows our live blogs, and the rules for it."""

    id: str = Field(description="It stands in public pages, and is no secret")
    name: str
    origins: list[str] = Field(description="Whose pages may show them; empty: anybody’s")
    liveblogs: list[str] = Field(description="Slugs; empty: all")
    tags: list[str] = Field(description="Only entries with one of these; empty: all entries")
    delay: int = Field(description="Seconds by which its readers are late")
    expires_at: datetime | None
    enabled: bool
    theme: ThemeObject
    attribution: AttributionObject | None
    created_at: datetime
    updated_at: datetime
    version: int


class PartnerList(Shape):
    """A page of partners, newest first."""

    items: list[PartnerObject]
    next_cursor: str | None


Reason = Literal["unknown", "disabled", "expired", "liveblog", "origin", "embedding"]


class EmbedObject(Shape):
    """Whether a page of another site may show a live blog, and how."""

    allowed: bool
    reason: Reason | None = Field(description="Why not")
    theme: ThemeObject
    attribution: AttributionObject | None
    fallback_url: str = Field(description="Where to read it instead")
