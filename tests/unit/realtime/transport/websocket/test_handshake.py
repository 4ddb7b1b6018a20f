"""The opening handshake (RFC 6455, 4.2; RFC 7692, 7.1)."""

from __future__ import annotations

from base64 import b64encode

import pytest

from liveserver.realtime.transport.websocket import handshake

# RFC 6455, 1.3
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

GOOD = {
    b"host": b"example.org",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": KEY,
}

AGREED = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def get(headers: list[tuple[bytes, bytes]], *, deflate: bool = True) -> handshake.Offer:
    """The answer to a GET request with these headers."""
    return handshake.read(handshake.Request(b"GET", b"/", headers), deflate=deflate)


def read(**changes: bytes | None) -> handshake.Offer:
    """A good handshake, changed."""
    headers: dict[bytes, bytes | None] = {**GOOD}
    headers.update({name.replace("_", "-").encode(): value for name, value in changes.items()})
    return get([(name, value) for name, value in headers.items() if value is not None])


def agreed(*offered: bytes) -> bytes:
    """The answer to these Sec-WebSocket-Extensions headers."""
    headers = [*GOOD.items(), *((b"sec-websocket-extensions", value) for value in offered)]
    return get(headers).extensions


def test_an_offer_without_measure_is_not_looked_at() -> None:
    """Nor remembered."""
    handshake._agree.cache_clear()
    assert agreed(b"permessage-deflate, " + b"x, " * handshake.OFFER_MAX + b"x") == b""
    assert handshake._agree.cache_info().currsize == 0
    assert agreed(b"permessage-deflate") == AGREED


def test_the_specifications_example() -> None:
    assert read() == handshake.Offer(ACCEPT, b"", [])


@pytest.mark.parametrize(
    ("changes", "status", "header"),
    [
        ({"upgrade": None}, 426, (b"upgrade", b"websocket")),
        ({"upgrade": b"h2c"}, 426, (b"upgrade", b"websocket")),
        ({"upgrade": b"websockets"}, 426, (b"upgrade", b"websocket")),
        ({"connection": None}, 426, (b"upgrade", b"websocket")),
        ({"connection": b"keep-alive"}, 426, (b"upgrade", b"websocket")),
        ({"sec_websocket_version": None}, 426, (b"sec-websocket-version", b"13")),
        ({"sec_websocket_version": b"8"}, 426, (b"sec-websocket-version", b"13")),
        ({"sec_websocket_version": b"013"}, 426, (b"sec-websocket-version", b"13")),
        ({"sec_websocket_version": b"13, 8"}, 426, (b"sec-websocket-version", b"13")),
        ({"sec_websocket_key": None}, 400, None),
        ({"sec_websocket_key": b""}, 400, None),
        ({"sec_websocket_key": b"dGhlIHNhbXBsZSBub25jZQ"}, 400, None),
        ({"sec_websocket_key": b"dGhlIHNhbXBsZSBub25j*Q=="}, 400, None),
        ({"sec_websocket_key": b"\xff\xfe"}, 400, None),
        ({"sec_websocket_key": b64encode(bytes(15))}, 400, None),
        ({"sec_websocket_key": b64encode(bytes(17))}, 400, None),
        ({"sec_websocket_key": KEY + b", " + KEY}, 400, None),
        ({"sec_websocket_extensions": b"permessage-deflate; ="}, 400, None),
        ({"sec_websocket_extensions": b";"}, 400, None),
        ({"sec_websocket_extensions": b"d\xe9flate"}, 400, None),
    ],
)
def test_refusals(changes: dict[str, bytes | None], status: int, header: tuple[bytes, bytes] | None) -> None:
    with pytest.raises(handshake.BadHandshake) as caught:
        read(**changes)
    assert caught.value.status == status
    assert caught.value.headers == (() if header is None else (header,))
    assert caught.value.detail == str(caught.value) != ""


@pytest.mark.parametrize("version", ["1.0", "0.9"])
def test_http_1_1_is_needed(version: str) -> None:
    with pytest.raises(handshake.BadHandshake) as caught:
        handshake.read(handshake.Request(b"GET", b"/", [*GOOD.items()], version))
    assert (caught.value.status, caught.value.headers) == (426, ((b"upgrade", b"websocket"),))


def test_get_is_needed() -> None:
    with pytest.raises(handshake.BadHandshake) as caught:
        handshake.read(handshake.Request(b"POST", b"/", [*GOOD.items()]))
    assert (caught.value.status, caught.value.headers) == (405, ((b"allow", b"GET"),))


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        (b"/", (b"/", b"")),
        (b"/a/%41?b=/c?d", (b"/a/%41", b"b=/c?d")),
        (b"ws://here/a?b", (b"/a", b"b")),
        (b"http://here", (b"/", b"")),
    ],
)
def test_the_target_in_origin_and_in_absolute_form(target: bytes, parts: tuple[bytes, bytes]) -> None:
    assert handshake.Request(b"GET", target, []).path_and_query() == parts


def test_the_head_of_an_answer() -> None:
    assert handshake.head(404, [(b"a", b"b")]) == b"HTTP/1.1 404 Not Found\r\na: b\r\n\r\n"
    assert handshake.head(499, []) == b"HTTP/1.1 499 \r\n\r\n"


@pytest.mark.parametrize("upgrade", [b"websocket", b"WebSocket", b"WEBSOCKET", b"h2c, websocket", b"websocket ,h2c"])
@pytest.mark.parametrize("connection", [b"Upgrade", b"upgrade", b"keep-alive, Upgrade", b"UPGRADE,close", b" upgrade "])
def test_tokens_in_any_case_and_in_lists(upgrade: bytes, connection: bytes) -> None:
    assert read(upgrade=upgrade, connection=connection).accept == ACCEPT


def test_a_header_that_comes_in_several_lines_is_one_list() -> None:
    headers = [
        (b"connection", b"keep-alive"),
        *GOOD.items(),
        (b"sec-websocket-protocol", b"a, b"),
        (b"sec-websocket-extensions", b"x-unknown"),
        (b"sec-websocket-protocol", b"c"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
    ]
    offer = get(headers)
    assert offer.subprotocols == ["a", "b", "c"]
    assert offer.extensions == AGREED


def test_a_key_or_version_that_comes_twice_is_refused() -> None:
    for name in (b"sec-websocket-key", b"sec-websocket-version"):
        with pytest.raises(handshake.BadHandshake):
            get([*GOOD.items(), (name, GOOD[name])])


def test_space_around_key_and_version_is_none_of_theirs() -> None:
    assert read(sec_websocket_key=b" " + KEY + b" ", sec_websocket_version=b" 13 ").accept == ACCEPT


def test_subprotocols_keep_their_order_and_no_blanks() -> None:
    assert read(sec_websocket_protocol=b"chat ,, super-chat,").subprotocols == ["chat", "super-chat"]
    assert read(sec_websocket_protocol=b"").subprotocols == []


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        (b"permessage-deflate", AGREED),
        (b"permessage-deflate; client_max_window_bits", AGREED),
        (b"permessage-deflate; client_max_window_bits=10", AGREED + b"; client_max_window_bits=10"),
        (b'permessage-deflate; client_max_window_bits="10"', AGREED + b"; client_max_window_bits=10"),
        (b"permessage-deflate; server_no_context_takeover; client_no_context_takeover", AGREED),
        (
            b"permessage-deflate; server_max_window_bits=15",
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15",
        ),
        # A window smaller than the shared frames' can't be served.
        (b"permessage-deflate; server_max_window_bits=14", b""),
        (b"permessage-deflate; server_max_window_bits=8", b""),
        (b"permessage-deflate; server_max_window_bits=10, permessage-deflate", AGREED),
        # RFC 7692, 7.1: offers with parameters that mean nothing are declined.
        (b"permessage-deflate; unknown", b""),
        (b"permessage-deflate; server_max_window_bits", b""),
        (b"permessage-deflate; server_max_window_bits=16", b""),
        (b"permessage-deflate; client_max_window_bits=07", b""),
        (b"permessage-deflate; server_no_context_takeover=1", b""),
        (b"permessage-deflate; server_no_context_takeover; server_no_context_takeover", b""),
        (b"permessage-deflate; unknown, permessage-deflate; client_max_window_bits", AGREED),
        (b"x-webkit-deflate-frame", b""),
        (b"permessage-bzip2, permessage-deflate", AGREED),
        (b"permessage-deflate, permessage-deflate; client_max_window_bits=9", AGREED),
    ],
)
def test_deflate(offered: bytes, answer: bytes) -> None:
    assert agreed(offered) == answer


def test_deflate_is_offered_in_vain_when_it_is_turned_off() -> None:
    headers = [*GOOD.items(), (b"sec-websocket-extensions", b"permessage-deflate")]
    assert get(headers, deflate=False).extensions == b""


def test_the_answer() -> None:
    plain = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "
    assert read().response([]) == plain + ACCEPT + b"\r\n\r\n"
    offer = read(sec_websocket_extensions=b"permessage-deflate")
    assert offer.response([(b"server", b"s"), (b"x", b"y")]) == (
        plain + ACCEPT + b"\r\nsec-websocket-extensions: " + AGREED + b"\r\nserver: s\r\nx: y\r\n\r\n"
    )
