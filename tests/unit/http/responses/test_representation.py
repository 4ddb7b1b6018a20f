"""Content codings: which one is sent, made once, and what the headers say of it."""

from __future__ import annotations

import gzip
import secrets

import pytest

from liveserver.http.responses.representation import (
    ACCEPT_ENCODING_MAX,
    GZIP_MIN,
    Representation,
    accepts_gzip,
    unmodified,
)

BODY = "<p>L’été, à 9 h 40 : la mer monte.</p>".encode() * 100
HEADERS = {"Cache-Control": "public, max-age=1", "Link": "<x>"}
PAGE = "text/html; charset=utf-8"


def page(body: bytes = BODY) -> Representation:
    """A page."""
    return Representation(body, PAGE, HEADERS)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP;Q=0.8, *;q=0.1", True),
        ("x-gzip", True),
        ("*", True),
        ("*;q=0.1", True),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip ; q = 0.001", True),
        ("", False),
        ("identity", False),
        ("br, deflate", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*;q=0", False),
        ("*;q=1, gzip;q=0", False),
        ("gzip;q=0.2, identity;q=0.8", False),
        ("gzip;q=0.5, *;q=1", True),
        ("gzip;q=x", False),
        ("gzip;q=nan", False),
        ("notgzip", False),
    ],
)
def test_which_codings_are_accepted(accepted: str, packed: bool) -> None:
    assert accepts_gzip(accepted) is packed
    assert (page().coded(accepted).body != BODY) is packed


def test_without_the_header_the_body_is_sent_as_it_is() -> None:
    """Any coding would be allowed; but a client that says nothing may understand none."""
    assert page().coded(None).body == BODY


def test_a_header_without_measure_is_not_read() -> None:
    accepts_gzip.cache_clear()
    assert page().coded("gzip, " + "x" * ACCEPT_ENCODING_MAX).body == BODY
    assert accepts_gzip.cache_info().currsize == 0


def test_the_two_codings_and_their_headers() -> None:
    """Each has a tag of its own; both tell caches what they depend on."""
    found = page()
    plain, packed = found.coded(None), found.coded("gzip")
    assert gzip.decompress(packed.body) == BODY
    assert plain.tag != packed.tag
    for coded in (plain, packed):
        head = dict(coded.head)
        assert head[b"etag"].decode() == coded.tag
        assert head[b"vary"] == b"Accept-Encoding"
        assert head[b"content-length"] == str(len(coded.body)).encode()
        assert (head[b"content-type"], head[b"link"]) == (PAGE.encode(), b"<x>")
        # A 304 repeats what it would say of a 200, and says nothing of a body (RFC 9110, 15.4.5).
        assert dict(coded.head_unmodified) == {
            name: head[name] for name in (b"etag", b"vary", b"cache-control", b"link")
        }
    assert dict(packed.head)[b"content-encoding"] == b"gzip"
    assert b"content-encoding" not in dict(plain.head)


def test_what_else_an_answer_depends_on() -> None:
    """A cache is told of the page's origin too."""
    found = Representation(BODY, PAGE, {"Vary": "Origin"})
    for coded in (found.coded(None), found.coded("gzip")):
        assert dict(coded.head)[b"vary"] == dict(coded.head_unmodified)[b"vary"] == b"Origin, Accept-Encoding"


def test_gzip_is_made_once_and_on_first_need(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    compress = gzip.compress

    def counted(body: bytes, level: int, *, mtime: int) -> bytes:
        made.append(body)
        return compress(body, level, mtime=mtime)

    monkeypatch.setattr(gzip, "compress", counted)
    found = page()
    found.coded(None)
    assert made == []
    assert len({id(found.coded("gzip")) for _ in range(5)}) == 1
    assert made == [BODY]


@pytest.mark.parametrize("body", [b"", b"x" * (GZIP_MIN - 1), secrets.token_bytes(GZIP_MIN * 2)])
def test_what_gains_nothing_is_sent_as_it_is(body: bytes) -> None:
    found = page(body)
    assert found.coded("gzip") is found.coded(None)
    assert dict(found.coded("gzip").head)[b"vary"] == b"Accept-Encoding"


def test_the_same_body_has_the_same_tags_everywhere() -> None:
    """A reader may ask another process the next time."""
    for accepted in (None, "gzip"):
        assert page().coded(accepted).tag == page().coded(accepted).tag
        assert page().coded(accepted).tag != page(BODY + b"x").coded(accepted).tag


def test_a_tag_holds_for_its_own_coding_only() -> None:
    """An answer that was packed for one client is no answer to one that can't unpack it."""
    found = page()
    plain, packed = found.coded(None), found.coded("gzip")
    for coded, other in ((plain, packed), (packed, plain)):
        assert unmodified(coded, coded.tag)
        assert unmodified(coded, f'"x", W/{coded.tag}')
        assert unmodified(coded, "*")
        assert not unmodified(coded, other.tag)
        assert not unmodified(coded, None)


def test_its_weight_is_not_exceeded() -> None:
    for body in (b"", BODY, secrets.token_bytes(10_000)):
        found = page(body)
        taken = len(found.coded(None).body) + len(found.coded("gzip").body)
        assert taken <= found.weight <= 2 * len(body) + 10_000
