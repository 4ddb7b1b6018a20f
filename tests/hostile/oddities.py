"""Texts and bodies that are nearly what a request may have, for clients that send odd requests."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.support.api.site import SLUG

if TYPE_CHECKING:
    from liveserver.http.api.openapi.operation import Operation


def cursor(text: str) -> str:
    """One that the server might have made of the text."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


TEXTS = st.sampled_from(
    [
        *("", " ", "0", "-1", "1", "1.0", "1e400", "NaN", "Infinity", "true", "null", "²", "٣", "+1", "0x1", "1_000"),
        *(str(2**31), str(2**63 - 1), str(2**63), str(2**64), f"-{2**63}", "9" * 5_000, "9" * 400),
        *(
            "2026-11-22",
            "2026-02-30",
            "0001-01-01",
            "9999-12-31",
            "9998-12-31",
            "1970-01-01",
            "10000-01-01",
            "-001-1-1",
        ),
        *("2026-11-22T09:30", "2026-11-22T00:00:00Z", "2026-11-22T09:30:00+01:00", "1970-01-01T00:00:00+23:59"),
        *("9998-12-31T23:59:59.999-23:59", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"),
        *(
            "2026-11-22T09:30:00+99:99",
            "2026-11-22T24:00:00Z",
            "2026-11-22T23:59:60Z",
            "2026-11-22T09:30:00.123456789Z",
        ),
        *("k3f9x2ab-0", f"k3f9x2ab-{'9' * 18}", f"k3f9x2ab-{'9' * 19}", "0-0", "k3f9x2ab--1", "k3f9x2ab"),
        *(cursor(f"{'9' * 18}.x"), cursor(f"-{'9' * 18}.x"), cursor("253402300799999999.a"), cursor("0.\0")),
        *(cursor("-62135596800000000.a"), cursor("٣.a"), "=", "====", "é", "A" * 499),
        *("\0", "a\0b", "\x7f", "\x85", "\u202e", "\ud7ff", "\ufffe", "\U0010ffff", "e\u0301", "a\r\nb: c", "/", "%00"),
        *("..", "../../etc/passwd", "%2e%2e", "?", "#", "<script>", '"', "'", "draft", "published", "fr", "UTC", "p_x"),
        *("http://[", "http://[::1", "https://a:b@c:99999/live/x", "https://\u2100/live/x", "//x", "javascript:0", "*"),
        *(SLUG, "x" * 3_000),
    ]
)
"""Numbers that are none or too large, times at the ends of time, cursors of nowhere, characters that aren't text."""

VALUES: st.SearchStrategy[Any] = st.one_of(
    TEXTS,
    st.text(max_size=20),
    st.sampled_from([None, True, 0, -1, 1, 1.5, 2**31, 2**63, -(2**63), 2**64, 10**400, 1e308, [], {}, [[]], "\ud800"]),
    st.lists(TEXTS, max_size=3),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
)


def _sent(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


@st.composite
def bodies(draw: st.DrawFn, operation: Operation) -> bytes | None:
    """Bodies that are nearly JSON, or none at all."""
    if operation.body is None:
        return draw(st.sampled_from([None, None, b"", b"x"]))
    names = st.sampled_from(sorted(operation.body.model_fields))
    whole = {**operation.example, **draw(st.dictionaries(st.one_of(names, names, TEXTS), VALUES, max_size=3))}
    broken = st.sampled_from(
        [b"", b"\0", b"[" * 5_000, b"9" * 5_000, b'"\\ud800"', b"\xff", b"null", b"[]", b'{"a":1e999}']
    )
    return _sent(whole) if draw(st.integers(0, 9)) else draw(broken)
