"""What editors may send, field by field. A bad input is refused whole, with every bad field named."""

from __future__ import annotations

import re
from datetime import UTC, date
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, get_args
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from liveserver.domain import origins
from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.domain.model import (
    CONTROL,
    DELAY_MAX,
    LINK_DAYS_MAX,
    PARTNER_ID_PATTERN,
    SLUG_MAX,
    SLUG_PATTERN,
    TAG_MAX,
    LiveblogStatus,
    Verification,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)", re.ASCII)

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

_LIVE_PATH = re.compile(r"((?:/[\w.~-]+)*)/(?:live|embed)/([a-z0-9-]+)/?", re.ASCII)

# Beyond these a time zone's offset leads out of what `datetime` can hold.
_YEARS = range(1970, 9999)
_TOO_FAR = f"must lie between the years {_YEARS[0]} and {_YEARS[-1]}"


def clean(value: str) -> str:
    """The text. Raises ValueError if it has a character that no editor means."""
    if match := CONTROL.search(value):
        raise ValueError(f"has a control character (U+{ord(match[0]):04X})")
    return value


def _line(value: str) -> str:
    if "\n" in value or "\r" in value or "\t" in value:
        raise ValueError("must be one line")
    return _not_blank(clean(value))


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


def _known_timezone(value: str) -> str:
    if value not in _timezones():
        raise ValueError("is not an IANA time zone, for example Europe/Paris")
    return value


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _language_tag(value: str) -> str:
    if not _LANGUAGE.fullmatch(value):
        raise ValueError("is not a language tag (BCP 47), for example fr or en-GB")
    return value


def _slug(value: str) -> str:
    if not re.fullmatch(SLUG_PATTERN, value, re.ASCII):
        raise ValueError("must be lower-case letters and digits, in words joined by single hyphens")
    return value


def _rfc3339(value: object) -> object:
    # Pydantic would also read a number, or a text like "2020", as seconds since 1970.
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        raise ValueError("must be a time with its offset (RFC 3339), for example 2026-11-22T09:30:00+01:00")
    return value


def _calendar_day(value: object) -> object:
    # Pydantic would also read a number as seconds since 1970, and a time as its day.
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day, for example 2026-11-22")
    return value


def _near(value: date) -> date:
    if value.year not in _YEARS:
        raise ValueError(_TOO_FAR)
    return value


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _milliseconds(value: AwareDatetime) -> AwareDatetime:
    if value.year not in _YEARS:
        raise ValueError(_TOO_FAR)
    return value.astimezone(UTC).replace(microsecond=value.microsecond // 1000 * 1000)


def _live_page(value: str) -> str:
    live_page(value)
    return value


def live_page(url: str) -> tuple[str, str]:
    """The server and the slug that the address of a live blog's page names. Raises ValueError for anything else."""
    parts = urlsplit(_link(url))
    match = _LIVE_PATH.fullmatch(parts.path)
    if match is None or not re.fullmatch(SLUG_PATTERN, match[2], re.ASCII) or len(match[2]) > SLUG_MAX:
        raise ValueError("must be the address of a live blog's page, for example https://live.example.org/live/marees")
    if "@" in parts.netloc or parts.port == 0:
        raise ValueError("must name a host, and nobody's password")
    return f"{parts.scheme}://{parts.netloc.lower()}{match[1]}", match[2]


def _link(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc or not value.isprintable() or " " in value:
        raise ValueError("must be an absolute http(s) URL")
    return value


Slug = Annotated[str, Field(max_length=SLUG_MAX), AfterValidator(_slug)]
Language = Annotated[str, Field(max_length=35), AfterValidator(_language_tag)]
Timezone = Annotated[str, AfterValidator(_known_timezone)]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_milliseconds)]
Day = Annotated[date, BeforeValidator(_calendar_day), AfterValidator(_near)]
Title = Annotated[str, Field(max_length=300), AfterValidator(_line)]
Summary = Annotated[str, Field(max_length=2_000), AfterValidator(clean)]
Body = Annotated[str, Field(max_length=100_000), AfterValidator(clean), AfterValidator(_not_blank)]
Heading = Annotated[str, Field(max_length=300), AfterValidator(_line)]
Source = Annotated[str, Field(max_length=300), AfterValidator(_line)]
Author = Annotated[str, Field(max_length=100), AfterValidator(_line)]
Authors = Annotated[list[Author], Field(max_length=20), AfterValidator(_unique)]
Tag = Annotated[str, Field(max_length=TAG_MAX), AfterValidator(_line)]
Tags = Annotated[list[Tag], Field(max_length=20), AfterValidator(_unique)]
Alt = Annotated[str, Field(max_length=1_000), AfterValidator(_line)]
Credit = Annotated[str, Field(max_length=300), AfterValidator(_line)]
Note = Annotated[str, Field(max_length=1_000), AfterValidator(_line)]
Origin = Annotated[str, Field(max_length=300), AfterValidator(origins.pattern)]
Origins = Annotated[list[Origin], Field(max_length=100), AfterValidator(_unique)]
Colour = Annotated[str, Field(pattern=r"^#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$")]
# What can stand in a style sheet's font-family without ending it.
Font = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9 ,_-]+$")]
Name = Annotated[str, Field(max_length=100), AfterValidator(_line)]
Link = Annotated[str, Field(max_length=2_000), AfterValidator(_link)]
Flag = Annotated[bool, Field(strict=True)]
Format = Literal["html", "markdown"]
WritableStatus = Literal["draft", "scheduled", "published"]


class Input(BaseModel):
    """Base of all inputs: unknown fields are errors, and nothing is guessed from another type."""

    model_config = ConfigDict(extra="forbid", strict=False, str_strip_whitespace=False)


class EmbeddingInput(Input):
    """Whose pages may show the live blog, partners aside."""

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


class LiveblogPatch(Input):
    """What changes of a live blog; absent fields stay."""

    title: Title = ""
    summary: Summary = ""
    language: Language = ""
    timezone: Timezone = ""
    status: LiveblogStatus = LiveblogStatus.LIVE
    embedding: EmbeddingInput = ANYONE


class EntryInput(Input):
    """A new entry. Without `status` it is published at once, or scheduled if `publish_at` is given and to come."""

    body: Body = Field(description="HTML or Markdown; sanitised")
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


class EntryPatch(Input):
    """What changes of an entry; absent fields stay, `null` empties."""

    body: Body = ""
    format: Format = Field("html", description="How `body` is written")
    heading: Heading | None = None
    authors: Authors = []
    key_event: Flag = False
    breaking: Flag = False
    pinned: Flag = False
    tags: Tags = []
    verification: Verification | None = None
    source: Source | None = None
    status: WritableStatus = "published"
    publish_at: Moment | None = None
    correction: Note | None = Field(
        None, description="A public note on what was corrected; it is added to the entry's corrections"
    )

    @field_validator("format")
    @classmethod
    def _format_needs_body(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("body") == "":
            raise ValueError("says how `body` is written, and there is no `body`")
        return value


class MediaInput(Input):
    """What is said of a new picture."""

    alt: Alt = Field(description="What the picture shows, for those who don’t see it")
    credit: Credit | None = Field(None, description="Whose it is, as it is to be shown")


class MediaPatch(Input):
    """What changes of what is said of a picture; absent fields stay, `null` empties."""

    alt: Alt = ""
    credit: Credit | None = None


class ThemeInput(Input):
    """What a partner's pages look like unless they say otherwise."""

    accent: Colour | None = Field(None, description="`#rrggbb`")
    background: Colour | None = None
    text: Colour | None = None
    font: Font | None = Field(None, description="Names of fonts, commas between")
    scheme: Literal["auto", "light", "dark"] | None = None


class AttributionInput(Input):
    """How a partner's page says whose live blog it is."""

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


class PartnerPatch(Input):
    """What changes of a partner; absent fields stay, `null` empties."""

    name: Name = ""
    origins: Origins = []
    liveblogs: Annotated[list[Slug], Field(max_length=1_000), AfterValidator(_unique)] = []
    tags: Tags = []
    delay: Annotated[int, Field(ge=0, le=DELAY_MAX, strict=True)] = 0
    expires_at: Moment | None = None
    enabled: Flag = True
    theme: ThemeInput = PLAIN
    attribution: AttributionInput | None = None


class SourceAttributionInput(Input):
    """What is said of whose the entries are."""

    text: Name
    url: Link | None = Field(None, description="Where it leads; without it, to each entry, where it stands there")


class SourceInput(Input):
    """The live blog that is to be followed."""

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
    """For how long a link is to be good."""

    days: Annotated[int, Field(ge=1, le=LINK_DAYS_MAX, strict=True)] = Field(7, description="Days until it is void")


class GoneInput(Input):
    """A viewer's word that an entry isn't shown any more."""

    id: Annotated[str, Field(max_length=36)] = Field(description="The entry’s")
    had: Flag = Field(description="Whether it was there before")
    viewer: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="The `viewer` of the stream’s `hello`; without a stream, a random word of your own"
    )


InputType = TypeVar("InputType", bound=BaseModel)

FIELDS_MAX = 100
"""Fields of one input, known or not, beyond which it isn't looked at: ten times those of the largest."""
ERRORS_MAX = 50
"""Bad fields that are named one by one."""


def parse(kind: type[InputType], data: object, *, prefix: str = "/", beside: tuple[str, ...] = ()) -> InputType:
    """`data` as a `kind`; raises Invalid, naming every bad field by `prefix` and its path (of many, the first).

    `beside`: fields that were sent with these, and are told with them where one is sent that isn't there.
    """
    if isinstance(data, dict) and len(data) > FIELDS_MAX:
        raise InvalidInput([FieldError("", f"has {len(data)} fields; at most {FIELDS_MAX}")])
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        errors = [FieldError(_pointer(prefix, e["loc"]), _what(kind, e, beside)) for e in found[:ERRORS_MAX]]
        if len(found) > ERRORS_MAX:
            errors.append(FieldError("", f"{len(found) - ERRORS_MAX} more fields are bad"))
        raise InvalidInput(errors) from None


def _pointer(prefix: str, location: tuple[int | str, ...]) -> str:
    """RFC 6901: the whole document is named by the empty pointer, and `/` and `~` in names are escaped."""
    if not location:
        return ""
    return prefix + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _what(kind: type[BaseModel], error: ErrorDetails, beside: tuple[str, ...]) -> str:
    """What is wrong with a field; of one that isn't there, which there are."""
    if error["type"] == "extra_forbidden":
        *above, _ = error["loc"]
        for name in above:
            annotation = kind.model_fields[str(name)].annotation
            [kind] = [each for each in (annotation, *get_args(annotation)) if hasattr(each, "model_fields")]
        there = [*(() if above else beside), *kind.model_fields]
        return f"is not a field here; there are {', '.join(there)}"
    return _words(error["msg"])


def _words(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
