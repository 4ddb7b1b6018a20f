"""Answers to what no application sees."""

from __future__ import annotations

import json

import pytest

from liveserver.server.protocols import denials
from liveserver.server.protocols.denials import Denial

ALL = [denial for denial in vars(denials).values() if isinstance(denial, Denial)]


@pytest.mark.parametrize("denial", ALL)
def test_an_answer_is_whole_and_ends_the_connection(denial: Denial) -> None:
    answer = denial.answer([(b"date", b"now")])
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines)
    assert first.split(b" ")[:2] == [b"HTTP/1.1", b"%d" % denial.status]
    assert len(headers) == len(lines)
    assert headers[b"date"] == b"now"
    assert headers[b"connection"] == b"close"
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    assert int(headers[b"content-length"]) == len(body)
    assert (headers.get(b"retry-after") is not None) == (denial.status == 503)
    if b"retry-after" in headers:
        assert headers[b"access-control-allow-origin"] == b"*", "a widget is to know how long to wait"
        assert headers[b"access-control-expose-headers"] == b"Retry-After"
    problem = json.loads(body)
    assert problem["status"] == denial.status
    assert problem["type"].startswith("urn:liveserver:problem:")
    assert problem["detail"] == denial.detail


def test_types_are_the_statuses_names() -> None:
    """As those of what the application refuses by a status alone."""
    body = denials.TARGET_TOO_LONG.answer(()).partition(b"\r\n\r\n")[2]
    assert json.loads(body)["type"] == "urn:liveserver:problem:request-uri-too-long"
