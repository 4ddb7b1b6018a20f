"""Request bodies, one model for each: inputs for new things, and patches for edits.

Most docstrings of models are shown in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from liveserver.domain.audience import LINK_DAYS_MAX
from liveserver.domain.entry import Verification
from liveserver.domain.ids import PARTNER_ID_PATTERN
from liveserver.domain.inputs.fields import (
    Alt,
    Authors,
    Body,
    Colour,
    Credit,
    Flag,
    Font,
    Format,
    Heading,
    Language,
    Link,
    Moment,
    Name,
    Note,
    Origins,
    Reason,
    Remark,
    Slug,
    Source,
    Summary,
    Tags,
    Timezone,
    Title,
    WritableStatus,
    _live_page,
    _unique,
)
from liveserver.domain.liveblog import LiveblogStatus, TwoPersons
from liveserver.domain.partner import DELAY_MAX


class Input(BaseModel):
    """Base of all inputs. Unknown fields are errors, and values of another type aren't converted."""

    model_config = ConfigDict(extra="forbid", strict=False, str_strip_whitespace=False)


class Absent:
    """The value of a field that a client left out of a patch. No client can send this value."""


ABSENT: Any = Field(default_factory=Absent)


class Patch(Input):
    """Base of all patches: every field may be absent, and an absent field stays as it is.

    `model_fields_set` has the names of the fields that were sent, also of fields that are `null`. Don't read a field
    that isn't in this set.
    """

    def sent(self) -> dict[str, Any]:
        """Return the fields that were sent, by name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class EmbeddingInput(Input):
    """The rule that says which sites may show the live blog without being a partner."""

    mode: Literal["anyone", "origins", "nobody"]
    origins: Origins = Field(
        [], description="With mode `origins`: `https://www.example.org`, `https://*.example.org`", validate_default=True
    )

    @field_validator("origins")
    @classmethod
    def _go_with_their_mode(cls, value: list[str], info: ValidationInfo) -> list[str]:
        if bool(value) != (info.data.get("mode") == "origins"):
            raise ValueError("must be given with mode origins, and with no other")
        return value


ANYONE = EmbeddingInput(mode="anyone", origins=[])


class LiveblogInput(Input):
    """A new live blog."""

    slug: Slug | None = Field(None, description="Its name in URLs, for ever; made from the title if absent")
    title: Title
    summary: Summary = ""
    language: Language = Field(description="BCP 47, for example `fr`")
    timezone: Timezone = Field(description="IANA name, for example `Europe/Paris`")
    status: LiveblogStatus = LiveblogStatus.LIVE
    embedding: EmbeddingInput = ANYONE


class LiveblogPatch(Patch):
    """An edit of a live blog. Absent fields stay as they are."""

    title: Title = ABSENT
    summary: Summary = ABSENT
    language: Language = ABSENT
    timezone: Timezone = ABSENT
    status: LiveblogStatus = ABSENT
    embedding: EmbeddingInput = ABSENT
    two_persons: Annotated[list[TwoPersons], Field(max_length=10), AfterValidator(_unique)] = Field(
        default_factory=cast("Any", Absent),
        description="What one person alone can’t do: publish `breaking` entries, `takedowns`, `alerts`",
    )


class EntryInput(Input):
    """A new entry. Without `status`, it is published at once, or scheduled if `publish_at` is in the future."""

    body: Body = Field(
        "", description="HTML or Markdown; sanitised. To be published, an entry needs a body or a heading"
    )
    format: Format = Field("html", description="How `body` is written")
    heading: Heading | None = None
    authors: Authors = []
    key_event: Flag = Field(False, description="Belongs in the summary of key events")
    breaking: Flag = False
    pinned: Flag = Field(False, description="Stays at the top of the page")
    tags: Tags = []
    verification: Verification | None = None
    source: Source | None = Field(None, description="Whose word it is, in words")
    status: WritableStatus | None = None
    publish_at: Moment | None = Field(
        None, description="When it is to be published (`scheduled`), or was (`published`, a time gone by)"
    )


class EntryPatch(Patch):
    """An edit of an entry. Absent fields stay as they are; `null` empties a field."""

    body: Body = ABSENT
    format: Format = Field("html", description="How `body` is written")
    heading: Heading | None = ABSENT
    authors: Authors = ABSENT
    key_event: Flag = ABSENT
    breaking: Flag = ABSENT
    pinned: Flag = ABSENT
    tags: Tags = ABSENT
    verification: Verification | None = ABSENT
    source: Source | None = ABSENT
    status: WritableStatus = ABSENT
    publish_at: Moment | None = ABSENT
    correction: Note | None = Field(
        None, description="A public note on what was corrected; it is added to the entry's corrections"
    )

    @field_validator("format")
    @classmethod
    def _format_needs_body(cls, value: str, info: ValidationInfo) -> str:
        if isinstance(info.data.get("body"), Absent):
            raise ValueError("says how `body` is written, and there is no `body`")
        return value


class SubmitInput(Input):
    """A draft is handed in for review."""

    publish_at: Moment | None = Field(None, description="When it is to be published; without it, once it is approved")


class ReturnInput(Input):
    """An entry that was handed in is returned to its author."""

    reason: Reason = Field(description="Why; the author and the newsroom see it")


def _true(value: object) -> object:
    """Return `value`. Raises ValueError, in JSON's words, if it isn't `true`."""
    if value is not True:
        raise ValueError("must be true")
    return value


class EraseInput(Input):
    """An entry is erased: its text is emptied in the database, too."""

    confirm: Annotated[Literal[True], BeforeValidator(_true)] = Field(description="Nobody can bring the text back")


class NoteInput(Input):
    """A note on an entry, for the newsroom only."""

    text: Remark


class MediaInput(Input):
    """The description and the credit of a new picture."""

    alt: Alt = Field(description="What the picture shows, for those who don’t see it")
    credit: Credit | None = Field(None, description="Whose it is, as it is to be shown")


class MediaPatch(Patch):
    """An edit of the description and the credit of a picture. Absent fields stay as they are; `null` empties a
    field."""

    alt: Alt = ABSENT
    credit: Credit | None = ABSENT


class ThemeInput(Input):
    """The look of the live blog on a partner's pages. The pages may set another look."""

    accent: Colour | None = Field(None, description="`#rrggbb`")
    background: Colour | None = None
    text: Colour | None = None
    font: Font | None = Field(None, description="Names of fonts, commas between")
    scheme: Literal["auto", "light", "dark"] | None = None


class AttributionInput(Input):
    """The line that says, on a partner's page, whose live blog the page shows."""

    text: Name
    url: Link


PLAIN = ThemeInput.model_validate({})


class PartnerInput(Input):
    """A new partner."""

    name: Name
    origins: Origins = Field(
        [],
        description="Whose pages may show what the partner may: `https://www.example.org`, `https://*.example.org`, "
        "`null` for sandboxed frames; empty: anybody’s",
    )
    liveblogs: Annotated[list[Slug], Field(max_length=1_000), AfterValidator(_unique)] = Field(
        [], description="Their slugs; empty: all"
    )
    tags: Tags = Field([], description="Only entries with one of these; empty: all entries")
    delay: Annotated[int, Field(ge=0, le=DELAY_MAX, strict=True)] = Field(
        0, description="Seconds by which the partner’s readers are late"
    )
    expires_at: Moment | None = None
    enabled: Flag = True
    theme: ThemeInput = PLAIN
    attribution: AttributionInput | None = None


class PartnerPatch(Patch):
    """An edit of a partner. Absent fields stay as they are; `null` empties a field."""

    name: Name = ABSENT
    origins: Origins = ABSENT
    liveblogs: Annotated[list[Slug], Field(max_length=1_000), AfterValidator(_unique)] = ABSENT
    tags: Tags = ABSENT
    delay: Annotated[int, Field(ge=0, le=DELAY_MAX, strict=True)] = ABSENT
    expires_at: Moment | None = ABSENT
    enabled: Flag = ABSENT
    theme: ThemeInput = ABSENT
    attribution: AttributionInput | None = ABSENT


class SourceAttributionInput(Input):
    """The name of the newsroom that the entries come from, as readers see it, and the address to which it links."""

    text: Name
    url: Link | None = Field(None, description="Where it leads; without it, to each entry, where it stands there")


class SourceInput(Input):
    """The live blog of another server that is to be followed."""

    url: Annotated[str, Field(max_length=2_000), AfterValidator(_live_page)] = Field(
        description="The address of its page, on another liveserver"
    )
    partner: Annotated[str, Field(pattern=PARTNER_ID_PATTERN)] | None = Field(
        None, description="As which partner of theirs it is read; without one, as anybody reads it"
    )
    attribution: SourceAttributionInput | None = Field(
        None, description="Without it, what the source asks of the partner, else its host’s name"
    )


class ReachLinkInput(Input):
    """The time for which a new link to the page of a live blog's reach is valid."""

    days: Annotated[int, Field(ge=1, le=LINK_DAYS_MAX, strict=True)] = Field(7, description="Days until it is void")


class GoneInput(Input):
    """A viewer's confirmation that a deleted entry is gone from its page."""

    id: Annotated[str, Field(max_length=36)] = Field(description="The entry’s")
    had: Flag = Field(description="Whether it was there before")
    viewer: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="The `viewer` of the stream’s `hello`; without a stream, a random word of your own"
    )
