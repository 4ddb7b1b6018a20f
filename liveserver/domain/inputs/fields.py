"""The types of fields that editors may send. Each is an annotated type; pydantic checks its limits."""

from __future__ import annotations

import re
from datetime import UTC, date
from functools import cache
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
)

from liveserver.domain.entry import NOTE_MAX, REASON_MAX, TAG_MAX
from liveserver.domain.ids import SLUG_MAX, SLUG_PATTERN
from liveserver.domain.inputs import origins

CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""A pattern of the control characters that no editor sends on purpose, and that must not get to a terminal: C0 except
tab, line feed and carriage return; DEL; C1."""

# RFC 5646, 2.1: language, script, region, variants, extensions, private use. Names of languages with more than three
# letters, and tags that begin with `x-` or `i-`, are left out: there are none, and `french` is a mistake.
_LANGUAGE = re.compile(
    r"[a-z]{2,3}(?:-[a-z]{3}){0,3}(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*"
    r"(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    # Registered before there were rules.
    r"|en-gb-oed|sgn-(?:be-(?:fr|nl)|ch-de)",
    re.ASCII | re.IGNORECASE,
)
_EARLIER_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)", re.ASCII)

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

_LIVE_PATH = re.compile(r"((?:/[\w.~-]+)*)/(?:live|embed)/([a-z0-9-]+)/?", re.ASCII)

# Close to the ends of the range of `datetime`, the conversion to a time zone could leave this range.
_YEARS = range(1970, 9999)
_TOO_FAR = f"must lie between the years {_YEARS[0]} and {_YEARS[-1]}"


def clean(value: str) -> str:
    """Return the text unchanged. Raises ValueError if it has a control character other than tabs and line breaks."""
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


def _earlier_language_tag(value: str) -> str:
    return value if _EARLIER_LANGUAGE.fullmatch(value) else _language_tag(value)


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
    """Split the address of a live blog's page or embed page into the server's address and the live blog's slug.

    Raises ValueError if `url` isn't the address of such a page.
    """
    split = urlsplit(_link(url))
    match = _LIVE_PATH.fullmatch(split.path)
    if match is None or not re.fullmatch(SLUG_PATTERN, match[2], re.ASCII) or len(match[2]) > SLUG_MAX:
        raise ValueError("must be the address of a live blog's page, for example https://live.example.org/live/marees")
    if "@" in split.netloc or split.port == 0:
        raise ValueError("must name a host, and nobody's password")
    return f"{split.scheme}://{split.netloc.lower()}{match[1]}", match[2]


def _link(value: str) -> str:
    split = urlsplit(value)
    if split.scheme not in {"http", "https"} or not split.netloc or not value.isprintable() or " " in value:
        raise ValueError("must be an absolute http(s) URL")
    return value


Slug = Annotated[str, Field(max_length=SLUG_MAX), AfterValidator(_slug)]
Language = Annotated[str, Field(max_length=35), AfterValidator(_language_tag)]
StoredLanguage = Annotated[str, Field(max_length=35), AfterValidator(_earlier_language_tag)]
"""A language as the store may have it: earlier releases took tags that aren't well formed, such as `zz-zz-zz`."""
Timezone = Annotated[str, AfterValidator(_known_timezone)]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_milliseconds)]
Day = Annotated[date, BeforeValidator(_calendar_day), AfterValidator(_near)]
Title = Annotated[str, Field(max_length=300), AfterValidator(_line)]
Summary = Annotated[str, Field(max_length=2_000), AfterValidator(clean)]
Body = Annotated[str, Field(max_length=100_000), AfterValidator(clean)]
Reason = Annotated[str, Field(max_length=REASON_MAX), AfterValidator(clean), AfterValidator(_not_blank)]
Remark = Annotated[str, Field(max_length=NOTE_MAX), AfterValidator(clean), AfterValidator(_not_blank)]
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
# Only characters that can't end the value of `font-family` in a style sheet.
Font = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9 ,_-]+$")]
Name = Annotated[str, Field(max_length=100), AfterValidator(_line)]
Link = Annotated[str, Field(max_length=2_000), AfterValidator(_link)]
Flag = Annotated[bool, Field(strict=True)]
Format = Literal["html", "markdown"]
WritableStatus = Literal["draft", "scheduled", "published"]
