"""Each field's limits, what is said of a bad one, and that all bad ones are named at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liveserver.domain.entry import Verification
from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.domain.inputs.models import (
    EntryInput,
    EntryPatch,
    LiveblogInput,
    LiveblogPatch,
    MediaPatch,
    PartnerInput,
    PartnerPatch,
    Patch,
)
from liveserver.domain.inputs.parsing import ERRORS_MAX, parse
from liveserver.domain.liveblog import LiveblogStatus
from tests.support.store_samples import TYPOGRAPHY

LIVEBLOG = {"title": "Le match", "language": "fr", "timezone": "Europe/Paris"}
ENTRY = {"body": "<p>But\u202f!</p>"}
PUBLISH_AT = "2026-11-22T12:00:00Z"

Kind = type[LiveblogInput | LiveblogPatch | EntryInput | EntryPatch]


def errors(kind: Kind, data: object, *, prefix: str = "/") -> list[FieldError]:
    """The errors of an input."""
    with pytest.raises(InvalidInput) as caught:
        parse(kind, data, prefix=prefix)
    return caught.value.errors


def pointers(kind: Kind, data: object) -> list[str]:
    """Which fields are wrong."""
    return [error.pointer for error in errors(kind, data)]


def base_of(kind: Kind) -> dict[str, Any]:
    """The least that is right."""
    return {LiveblogInput: LIVEBLOG, EntryInput: ENTRY}.get(kind, {})


def test_the_least_that_makes_a_live_blog() -> None:
    given = parse(LiveblogInput, LIVEBLOG)
    assert (given.slug, given.summary, given.status) == (None, "", LiveblogStatus.LIVE)


def test_the_least_that_makes_an_entry() -> None:
    given = parse(EntryInput, ENTRY)
    assert given.model_dump(exclude={"body"}) == {
        "format": "html",
        "heading": None,
        "authors": [],
        "key_event": False,
        "breaking": False,
        "pinned": False,
        "tags": [],
        "verification": None,
        "source": None,
        "status": None,
        "publish_at": None,
    }


def test_every_field_of_an_entry() -> None:
    given = parse(
        EntryInput,
        {
            "body": TYPOGRAPHY,
            "format": "markdown",
            "heading": "« But\u202f! »",
            "authors": ["A", "B", "A"],
            "key_event": True,
            "breaking": True,
            "pinned": True,
            "tags": ["x", "y", "x"],
            "verification": "claimed",
            "source": "la police",
            "status": "scheduled",
            "publish_at": "2026-11-22T13:30:00.123456+01:30",
        },
    )
    assert given.body == TYPOGRAPHY, "to the byte"
    assert (given.authors, given.tags) == (["A", "B"], ["x", "y"]), "each once"
    assert given.verification is Verification.CLAIMED
    assert given.publish_at == datetime(2026, 11, 22, 12, 0, 0, 123_000, tzinfo=UTC)
    assert given.publish_at.utcoffset() == UTC.utcoffset(None)


LONGEST = [
    (LiveblogInput, "slug", 100),
    (LiveblogInput, "title", 300),
    (LiveblogInput, "summary", 2_000),
    (LiveblogPatch, "title", 300),
    (LiveblogPatch, "summary", 2_000),
    *[(kind, field, 300) for kind in (EntryInput, EntryPatch) for field in ("heading", "source")],
    *[(kind, "body", 100_000) for kind in (EntryInput, EntryPatch)],
    (EntryPatch, "correction", 1_000),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "field", "limit"), LONGEST)
def test_the_longest_text_is_taken_and_one_more_is_not(kind: Kind, field: str, limit: int) -> None:
    letter = "a" if field == "slug" else "é"
    parse(kind, base_of(kind) | {field: letter * limit})
    [error] = errors(kind, base_of(kind) | {field: letter * (limit + 1)})
    assert error == FieldError(f"/{field}", f"string should have at most {limit} characters")


@pytest.mark.parametrize("kind", [EntryInput, EntryPatch])
@pytest.mark.parametrize(("field", "limit"), [("authors", 100), ("tags", 60)])
def test_lists_are_limited_in_number_and_in_length(kind: Kind, field: str, limit: int) -> None:
    parse(kind, base_of(kind) | {field: ["x" * limit, *(str(number) for number in range(19))]})
    assert pointers(kind, base_of(kind) | {field: [str(number) for number in range(21)]}) == [f"/{field}"]
    bad = ["ok", "x" * (limit + 1), "", " ", 5, "a\nb", None]
    assert pointers(kind, base_of(kind) | {field: bad}) == [f"/{field}/{index}" for index in range(1, 7)]


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        *((LiveblogInput, "title"), (LiveblogPatch, "title"), (EntryInput, "heading"), (EntryInput, "source")),
        *((EntryPatch, "heading"), (EntryPatch, "source"), (EntryPatch, "correction")),
    ],
)
@pytest.mark.parametrize("value", ["", " ", "\u00a0\u202f", "a\nb", "a\rb", "a\tb", "a\x00b", 5, ["a"], True])
def test_a_line_is_one_line_of_text(kind: Kind, field: str, value: object) -> None:
    assert pointers(kind, base_of(kind) | {field: value}) == [f"/{field}"]


@pytest.mark.parametrize("code", [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0)])
def test_control_characters_are_refused_everywhere(code: int) -> None:
    text = f"a{chr(code)}b"
    detail = f"has a control character (U+{code:04X})"
    fields = {"body": text, "heading": text, "source": text, "authors": [text], "tags": [text]}
    found = errors(EntryInput, fields)
    assert {error.pointer for error in found} == {"/body", "/heading", "/source", "/authors/0", "/tags/0"}
    assert {error.detail for error in found} == {detail}
    assert errors(LiveblogPatch, {"summary": text}) == [FieldError("/summary", detail)]


def test_text_of_several_lines_keeps_them() -> None:
    assert parse(EntryInput, {"body": "a\r\n\tb\n"}).body == "a\r\n\tb\n"
    assert parse(LiveblogPatch, {"summary": "a\n\nb"}).summary == "a\n\nb"


@pytest.mark.parametrize(
    "slug", ["", "A", "a_b", "a--b", "-a", "a-", "a b", "é", "a/b", "a.b", "a\n", "..", "a%2Fb", "１", 5]
)
def test_slugs(slug: object) -> None:
    assert parse(LiveblogInput, LIVEBLOG | {"slug": "le-match-2026"}).slug == "le-match-2026"
    assert pointers(LiveblogInput, LIVEBLOG | {"slug": slug}) == ["/slug"]


def test_languages() -> None:
    for good in (
        *(
            "fr",
            "en-GB",
            "zh-Hans-CN",
            "gsw",
            "sr-Latn",
            "FR-ca",
            "es-419",
            "sl-rozaj-biske-1994",
            "de-1996",
            "zh-cmn-Hans",
        ),
        *("hy-Latn-IT-arevela", "en-US-u-islamcal", "de-CH-x-phonebk", "qaa-Qaaa-QM-x-southern", "zh-min-nan", "xx"),
        *("az-Arab-x-AZE-derbend", "en-a-myext-b-another", "de-1901-x-a", "sgn-BE-FR", "en-GB-oed"),
    ):
        assert parse(LiveblogInput, LIVEBLOG | {"language": good}).language == good
    long = "-".join(["fr"] * 13)
    for bad in ("", "f", "french", "fr_FR", "fr-", "fr\n", '"fr"', "fr-abcdefghi", long, None, 5):
        assert pointers(LiveblogInput, LIVEBLOG | {"language": bad}) == ["/language"]
    for bad in (
        "zz-zz-zz",
        "fr-FR-FR",
        "fr-1",
        "fr-x",
        "en-a",
        "fr-FR-Latn",
        "fr-12",
        "fr-Latn-Cyrl",
        "fr-u",
        "i-klingon",
    ):
        assert pointers(LiveblogInput, LIVEBLOG | {"language": bad}) == ["/language"]


def test_time_zones() -> None:
    for good in ("Europe/Paris", "UTC", "America/Argentina/Buenos_Aires"):
        assert parse(LiveblogInput, LIVEBLOG | {"timezone": good}).timezone == good
    for bad in ("", "Europe/Lutetia", "europe/paris", "../../etc/passwd", "/etc/localtime", "+01:00", "Europe", 1):
        assert pointers(LiveblogInput, LIVEBLOG | {"timezone": bad}) == ["/timezone"]


@pytest.mark.parametrize("kind", [EntryInput, EntryPatch])
@pytest.mark.parametrize(
    "moment",
    [
        *("", "now", "2026", "1700000000", "2026-11-22", "2026-11-22T12:00:00", "2026-02-30T12:00:00Z"),
        *("2026-11-22T25:00:00Z", "2026-11-22T12:00:00+25:00", "0001-01-01T00:00:00+05:00"),
        *("9999-12-31T23:59:59-05:00", "1969-12-31T23:59:59Z", "٢٠٢٦-11-22T12:00:00Z"),
        *(1_700_000_000, 1.5, True, [PUBLISH_AT]),
    ],
)  # fmt: skip
def test_times_need_a_date_a_time_and_an_offset(kind: Kind, moment: object) -> None:
    assert pointers(kind, base_of(kind) | {"publish_at": moment}) == ["/publish_at"]


@pytest.mark.parametrize("moment", [PUBLISH_AT, "2026-11-22t13:00:00+01:00", "2026-11-22 07:00:00.000-05:00"])
def test_times_are_taken_to_utc(moment: str) -> None:
    publish_at = parse(EntryInput, ENTRY | {"publish_at": moment}).publish_at
    assert publish_at == datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert publish_at.isoformat().endswith("+00:00")


@pytest.mark.parametrize("kind", [EntryInput, EntryPatch])
@pytest.mark.parametrize("field", ["key_event", "breaking", "pinned"])
@pytest.mark.parametrize("value", ["true", "yes", 1, 0, "", None, []])
def test_flags_are_true_or_false(kind: Kind, field: str, value: object) -> None:
    assert pointers(kind, base_of(kind) | {field: value}) == [f"/{field}"]


def test_choices() -> None:
    for kind in (EntryInput, EntryPatch):
        data = base_of(kind) | {"body": "x", "format": "html5", "verification": "sure", "status": "deleted"}
        assert set(pointers(kind, data)) == {"/format", "/verification", "/status"}
    assert pointers(LiveblogInput, LIVEBLOG | {"status": "finished"}) == ["/status"]


def test_all_bad_fields_are_named_at_once() -> None:
    bad = {
        "body": "\x07",
        "format": "word",
        "heading": "a\nb",
        "authors": ["", "ok", 5],
        "key_event": "yes",
        "breaking": 1,
        "pinned": None,
        "tags": "x",
        "verification": 1,
        "source": "",
        "status": "live",
        "publish_at": "soon",
        "unknown": 1,
        "a/b~c": 1,
    }
    assert pointers(EntryInput, bad) == [
        *("/body", "/format", "/heading", "/authors/0", "/authors/2", "/key_event", "/breaking", "/pinned", "/tags"),
        *("/verification", "/source", "/status", "/publish_at", "/unknown", "/a~1b~0c"),
    ]
    assert set(pointers(LiveblogInput, {"slug": "-", "summary": 1, "status": 1, "epoch": "x"})) == {
        *("/slug", "/title", "/summary", "/language", "/timezone", "/status", "/epoch"),
    }


def test_what_is_no_field_is_told_with_those_that_are() -> None:
    """Also within a field."""
    bad = {
        "name": "x",
        "theme": {"accnt": "#000"},
        "attribution": {"text": "x", "url": "https://a.example", "by": 1},
        "x": 1,
    }
    with pytest.raises(InvalidInput) as caught:
        parse(PartnerInput, bad)
    assert dict(caught.value.errors) == {
        "/theme/accnt": "is not a field here; there are accent, background, text, font, scheme",
        "/attribution/by": "is not a field here; there are text, url",
        "/x": "is not a field here; there are name, origins, liveblogs, tags, delay, expires_at, enabled, theme, "
        "attribution",
    }


def test_what_was_sent_beside_them_is_told_with_them() -> None:
    """But not with the fields of a field."""
    with pytest.raises(InvalidInput) as caught:
        parse(PartnerInput, {"name": "x", "theme": {"x": 1}, "x": 1}, beside=("file",))
    assert {where: what.partition(",")[0] for where, what in caught.value.errors} == {
        "/theme/x": "is not a field here; there are accent",
        "/x": "is not a field here; there are file",
    }


def test_the_message_of_the_exception_names_them_too() -> None:
    with pytest.raises(InvalidInput, match=r"^/title: field required; /language: .*; /timezone: "):
        parse(LiveblogInput, {})


@pytest.mark.parametrize("kind", [LiveblogInput, LiveblogPatch, EntryInput, EntryPatch])
@pytest.mark.parametrize("data", [None, [], "x", 5, [ENTRY]])
def test_what_is_no_object_is_wrong_as_a_whole(kind: Kind, data: object) -> None:
    assert pointers(kind, data) == [""]


def test_the_prefix_names_where_the_fields_stood() -> None:
    assert errors(LiveblogPatch, {"x": 1}, prefix="?")[0].pointer == "?x"


def test_an_error_does_not_repeat_what_was_sent() -> None:
    found = errors(EntryInput, {"body": 5, "heading": "s3cret\n", "status": "s3cret", "s3cret2": 1})
    assert "s3cret" not in "".join(error.detail for error in found)


# Patches


@pytest.mark.parametrize("kind", [LiveblogPatch, EntryPatch])
def test_an_empty_patch_changes_nothing(kind: type[LiveblogPatch | EntryPatch]) -> None:
    assert parse(kind, {}).model_fields_set == set()
    assert parse(kind, {}).sent() == {}


def test_null_empties_what_may_be_empty_and_is_an_error_elsewhere() -> None:
    optional = ("heading", "verification", "source", "publish_at", "correction")
    patch = parse(EntryPatch, dict.fromkeys(optional))
    assert patch.model_fields_set == set(optional)
    assert patch.sent() == dict.fromkeys(optional)
    required = ("body", "format", "authors", "key_event", "breaking", "pinned", "tags", "status")
    assert pointers(EntryPatch, dict.fromkeys(required)) == [f"/{name}" for name in required]
    fields = ("title", "summary", "language", "timezone", "status")
    assert pointers(LiveblogPatch, dict.fromkeys(fields)) == [f"/{name}" for name in fields]


def test_a_new_entry_takes_null_for_what_is_absent() -> None:
    names = ("heading", "verification", "source", "status", "publish_at")
    assert parse(EntryInput, ENTRY | dict.fromkeys(names)).model_dump() == parse(EntryInput, ENTRY).model_dump()


def test_a_slug_cannot_be_changed() -> None:
    assert pointers(LiveblogPatch, {"slug": "other"}) == ["/slug"]


def test_a_format_without_body_is_an_error_beside_the_others() -> None:
    detail = "says how `body` is written, and there is no `body`"
    assert errors(EntryPatch, {"format": "markdown"}) == [FieldError("/format", detail)]
    assert pointers(EntryPatch, {"format": "markdown", "heading": ""}) == ["/format", "/heading"]
    assert pointers(EntryPatch, {"format": "markdown", "body": "\x07"}) == ["/body"]
    assert parse(EntryPatch, {"format": "markdown", "body": "*x*"}).format == "markdown"


def test_a_bad_input_is_not_listed_without_end() -> None:
    """The first bad fields are named; of more fields than any input has, none is looked at."""
    found = errors(EntryInput, {"body": "x", **{f"field{number}": 1 for number in range(90)}})
    assert len(found) == ERRORS_MAX + 1
    assert found[-1] == FieldError("", "40 more fields are bad")
    fields = {f"field{number}": 1 for number in range(25_000)}
    assert errors(EntryInput, fields) == [FieldError("", "has 25000 fields; at most 100")]
    assert len(errors(LiveblogInput, {"embedding": fields})) == ERRORS_MAX + 1


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from([*EntryPatch.model_fields, *LiveblogInput.model_fields, "a/b", "~", ""])


@given(data=st.dictionaries(FIELDS, JSON_VALUES, max_size=8) | JSON_VALUES)
def test_nothing_but_invalid_is_raised_and_every_pointer_begins_with_its_field(data: object) -> None:
    kinds: tuple[Kind, ...] = (LiveblogInput, LiveblogPatch, EntryInput, EntryPatch)
    for kind in kinds:
        try:
            parse(kind, data)
        except InvalidInput as error:
            named = [pointer for pointer, _ in error.errors]
        else:
            continue
        assert named
        assert all(pointer == "" or pointer.startswith("/") for pointer in named)


@pytest.mark.parametrize("kind", [LiveblogPatch, EntryPatch, MediaPatch, PartnerPatch])
def test_what_a_patch_leaves_out_is_no_value(kind: type[Patch]) -> None:
    """So that what reads it by mistake doesn't take it for one that was sent."""
    patch = parse(kind, {})
    assert patch.model_fields_set == set()
    # These two say how another field is meant, and what is added: nothing is taken from them where they are absent.
    for name in kind.model_fields.keys() - {"format", "correction"}:
        with pytest.raises(InvalidInput, match=f"/{name}"):
            parse(kind, {name: getattr(patch, name)})
