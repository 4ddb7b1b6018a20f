"""The request that opens a viewer's connection, and its answer."""

from __future__ import annotations

import pytest

from liveserver.cli.bench.errors import Broken
from liveserver.cli.bench.viewers.handshake import HEAD_MAX, Answer, Opening, Transport
from tests.support.liar import answer_to


@pytest.mark.parametrize("deflate", [True, False])
def test_handshake_with_our_server(deflate: bool) -> None:
    """The client accepts the server's answer, and both agree on deflate if it is offered."""
    opening = Opening(Transport.WS, "localhost:8000", "/api/v1/liveblogs/x/ws", deflate)
    answer = answer_to(opening.request())
    assert opening.read(answer + b"\x81\x00") == Answer(len(answer), deflated=deflate, chunked=False)
    assert opening.read(answer[:-1]) is None


def test_request_goes_on_from_a_position() -> None:
    opening = Opening(Transport.SSE, "localhost:8000", "/events")
    assert opening.request("abc-7").startswith(b"GET /events?after=abc-7 HTTP/1.1\r\nHost: localhost:8000\r\n")
    assert b"text/event-stream" in opening.request()


def test_event_stream() -> None:
    opening = Opening(Transport.SSE, "localhost", "/events")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    assert opening.read(head + b"\r\n") == Answer(len(head) + 2, deflated=False, chunked=False)
    chunked = opening.read(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n")
    assert chunked is not None
    assert chunked.chunked


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "answered 503 Service Unavailable"),
        (b"SSH-2.0\r\n\r\n", "answered 'SSH-2.0'"),
        (b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: no\r\n\r\n", "wrong Sec-WebSocket-Accept"),
        (b"x" * (HEAD_MAX + 1), "doesn't end"),
    ],
)
def test_refusals(answer: bytes, complaint: str) -> None:
    with pytest.raises(Broken, match=complaint):
        Opening(Transport.WS, "localhost", "/ws").read(answer)


def test_deflate_with_context_takeover_is_refused() -> None:
    """Each message is inflated alone: a server that can't do that must say so."""
    opening = Opening(Transport.WS, "localhost", "/ws")
    answer = f"HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: {opening.accept}\r\n"
    with pytest.raises(Broken, match="wasn't offered"):
        opening.read(f"{answer}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode())


def test_a_page_is_no_event_stream() -> None:
    with pytest.raises(Broken, match="text/html, not an event stream"):
        Opening(Transport.SSE, "localhost", "/").read(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
