"""To which addresses connections go, and how much is taken from what answers there."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve

from liveserver.client import Client, ClientError
from liveserver.newsroom.syndication import ssrf_guard
from liveserver.newsroom.syndication.ssrf_guard import Forbidden, SsrfGuard, is_public
from tests.support.listening import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST = 1_000


REGISTRY = [
    # IANA IPv4 Special-Purpose Address Registry.
    ("0.0.0.0/8", "RFC 791: this network"),
    ("10.0.0.0/8", "RFC 1918: private use"),
    ("100.64.0.0/10", "RFC 6598: shared; Alibaba's metadata at 100.100.100.200"),
    ("127.0.0.0/8", "RFC 1122: loopback"),
    ("169.254.0.0/16", "RFC 3927: link-local; most clouds' metadata"),
    ("172.16.0.0/12", "RFC 1918: private use"),
    ("192.0.0.0/24", "RFC 6890: protocols' own; Oracle's metadata at 192.0.0.192"),
    ("192.0.2.0/24", "RFC 5737: documentation"),
    ("192.31.196.0/24", "RFC 7535: AS 112"),
    ("192.52.193.0/24", "RFC 7450: multicast tunnels"),
    ("192.88.99.0/24", "RFC 7526: 6to4's relays"),
    ("192.168.0.0/16", "RFC 1918: private use"),
    ("192.175.48.0/24", "RFC 7534: AS 112"),
    ("198.18.0.0/15", "RFC 2544: benchmarks"),
    ("198.51.100.0/24", "RFC 5737: documentation"),
    ("203.0.113.0/24", "RFC 5737: documentation"),
    ("224.0.0.0/4", "RFC 5771: multicast"),
    ("240.0.0.0/4", "RFC 1112: reserved"),
    ("255.255.255.255/32", "RFC 8190: broadcast"),
    # IANA IPv6 Special-Purpose Address Registry.
    ("::1/128", "RFC 4291: loopback"),
    ("::/128", "RFC 4291: unspecified"),
    ("64:ff9b:1::/48", "RFC 8215: translation within a site"),
    ("100::/64", "RFC 6666: discarded"),
    ("100:0:0:1::/64", "RFC 9780: dummy"),
    ("2001::/23", "RFC 2928: protocols' own"),
    ("2001::/32", "RFC 4380: Teredo"),
    ("2001:1::1/128", "RFC 7723: port control"),
    ("2001:1::2/128", "RFC 8155: relays"),
    ("2001:1::3/128", "RFC 9665: service registration"),
    ("2001:2::/48", "RFC 5180: benchmarks"),
    ("2001:3::/32", "RFC 7450: multicast tunnels"),
    ("2001:4:112::/48", "RFC 7535: AS 112"),
    ("2001:10::/28", "RFC 4843: ORCHID"),
    ("2001:20::/28", "RFC 7343: ORCHIDv2"),
    ("2001:30::/28", "RFC 9374: drones"),
    ("2001:db8::/32", "RFC 3849: documentation"),
    ("2002::/16", "RFC 3056: 6to4"),
    ("2620:4f:8000::/48", "RFC 7534: AS 112"),
    ("3fff::/20", "RFC 9637: documentation"),
    ("5f00::/16", "RFC 9602: segment routing"),
    ("fc00::/7", "RFC 4193: unique local; Amazon's metadata at fd00:ec2::254"),
    ("fe80::/10", "RFC 4291: link-local"),
    # IANA Internet Protocol Version 6 Address Space: whatever isn't given out as unicast.
    ("::/8", "RFC 4291: reserved"),
    ("::/96", "RFC 4291: IPv4 addresses, as they were written once"),
    ("::ffff:0:0:0/96", "RFC 2765: IPv4 addresses, translated"),
    ("4000::/3", "RFC 4291: reserved"),
    ("8000::/3", "RFC 4291: reserved"),
    ("e000::/4", "RFC 4291: reserved"),
    ("fec0::/10", "RFC 3879: site-local"),
    ("ff00::/8", "RFC 4291: multicast"),
    # Not in any registry: Azure's metadata, and its agents' secrets.
    ("168.63.129.16/32", "a public address, and answers from within"),
]
"""Addresses that no source may be at."""


@pytest.mark.parametrize(
    "address",
    [
        *("93.184.216.34", "1.1.1.1", "126.255.255.255", "128.0.0.0", "172.32.0.0", "223.255.255.255"),
        *("168.63.129.15", "168.63.129.17", "100.63.255.255", "100.128.0.0"),
        *("2606:4700::6810:84e5", "2000::1", "2001:200::1", "2001:db7::1", "2003::1", "3ffe::1", "3fff:1000::1"),
        *("::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2a00:1450::1%eth0"),
    ],
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(("network", "what"), REGISTRY)
def test_special_addresses(network: str, what: str) -> None:
    """The first, the last and one in between; of IPv4, in its other clothes as well."""
    block = ipaddress.ip_network(network)
    for number in (block[0], block[block.num_addresses // 2], block[-1]):
        assert not is_public(str(number)), what
        if isinstance(number, ipaddress.IPv4Address):
            for clothes in (0xFFFF_0000_0000, 0x64_FF9B << 96, 0x2002 << 112 | int(number) << 80, 0xFFFF << 48, 0):
                assert not is_public(str(ipaddress.IPv6Address(clothes | int(number)))), what


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "::169.254.169.254"),
        *("::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1:ffff::", "fe80::1%eth0"),
        *("2002:7f00:1::1", "2002:5db8:d822::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ],
)
def test_by_way_of_example(address: str) -> None:
    assert not is_public(address)


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The addresses that names resolve to; each look-up is the next of the list, the last again and again."""
    known: dict[str, list[str]] = {}
    loop_class = type(asyncio.get_running_loop())

    async def getaddrinfo(_loop: Any, host: str, port: int, **_: Any) -> list[Any]:
        answers = known.get(host, [host])
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(None, None, None, "", (each, port)) for each in address.split()]

    monkeypatch.setattr(loop_class, "getaddrinfo", getaddrinfo)
    return known


async def test_a_name_is_judged_by_what_it_means(names: dict[str, list[str]]) -> None:
    gate = SsrfGuard(private=False, most=MOST)
    names["inside.example"] = ["10.0.0.1"]
    names["both.example"] = ["10.0.0.1 93.184.216.34"]
    with capture_logs() as logged, pytest.raises(Forbidden) as refused:
        await gate.address("inside.example", 80)
    assert str(refused.value) == "inside.example is at a private address"
    assert [(line["host"], line["addresses"]) for line in logged] == [("inside.example", ["10.0.0.1"])]
    assert await gate.address("both.example", 80) == "93.184.216.34"
    assert await SsrfGuard(private=True, most=MOST).address("inside.example", 80) == "10.0.0.1"


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "\u00df" + "a" * 62])
async def test_what_is_no_name(host: str) -> None:
    """Which Python finds out before it asks anybody."""
    with pytest.raises(Forbidden, match="is no name of a host"):
        await SsrfGuard(private=False, most=MOST).address(f"{host}.example", 80)


async def test_ports(names: dict[str, list[str]]) -> None:
    """Those of the web, and what anybody may listen on: other protocols' servers understand a request amiss."""
    names["there.example"] = ["93.184.216.34"]
    gate = SsrfGuard(private=False, most=MOST)
    for port in (80, 443, 1024, 8000, 65535):
        assert await gate.address("there.example", port) == "93.184.216.34"
    for port in (1, 22, 25, 81, 587, 1023):
        with pytest.raises(Forbidden, match=rf"no web server of there\.example's is at port {port}"):
            await gate.address("there.example", port)
    assert await SsrfGuard(private=True, most=MOST).address("there.example", 81) == "93.184.216.34"


@asynccontextmanager
async def answering(head: bytes, body: bytes = b"") -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every request so; its port, and what it was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()

    async with listening(answer) as port:
        yield port, asked


async def test_the_connection_goes_to_the_address_that_was_judged(names: dict[str, list[str]]) -> None:
    """A second look-up changes nothing; and the server is asked by its name."""
    async with answering(b"200 OK\r\nContent-Length: 2", b"{}") as (port, asked):
        names["there.example"] = ["127.0.0.1", "10.255.255.1"]
        async with Client(f"http://there.example:{port}", gate=SsrfGuard(private=True, most=MOST)) as client:
            assert await client.liveblog("match") == {}
    assert f"\r\nhost: there.example:{port}\r\n".encode() in asked[0].lower()


async def test_a_private_address_is_never_asked(names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveserver.client.requests.BACKOFF_FIRST", 0)
    async with answering(b"200 OK\r\nContent-Length: 2", b"{}") as (port, asked):
        names["there.example"] = ["127.0.0.1"]
        async with Client(f"http://there.example:{port}", gate=SsrfGuard(private=False, most=MOST)) as client:
            with pytest.raises(ClientError, match="is at a private address"):
                await client.liveblog("match")
            errors: list[Exception] = []
            stream = client.follow("match", on_error=errors.append, sleep=_stop)
            with pytest.raises(StopFollowing):
                await anext(stream)
            assert isinstance(errors[0], Forbidden)
    assert asked == []


def through(port: int) -> Client:
    """A client of a server that is called `there.example`."""
    return Client(f"http://there.example:{port}", gate=SsrfGuard(private=True, most=MOST))


class StopFollowing(Exception):
    pass


async def _stop(_seconds: float) -> None:
    raise StopFollowing


async def test_a_redirect_leads_nowhere(names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of a request nor of a stream."""
    monkeypatch.setattr("liveserver.client.requests.BACKOFF_FIRST", 0)
    names["there.example"] = ["127.0.0.1"]
    async with answering(b"200 OK\r\nContent-Length: 2", b"{}") as (inside, reached):
        head = f"302 Found\r\nLocation: http://127.0.0.1:{inside}/\r\nContent-Length: 0".encode()
        async with answering(head) as (port, asked), through(port) as client:
            with pytest.raises(ClientError, match="302"):
                await client.liveblog("match")
            with pytest.raises(StopFollowing):
                await anext(client.follow("match", sleep=_stop))
        assert len(asked) == 2
    assert reached == []


@pytest.mark.parametrize(
    ("head", "body", "said"),
    [
        (b"200 OK\r\nContent-Length: 1001", b"x" * 1001, "more than 1000 bytes"),
        (b"200 OK", b"x" * 5000, "more than 1000 bytes"),
        (b"200 OK\r\nContent-Encoding: gzip", gzip.compress(b"x" * 100_000), "compressed"),
    ],
)
async def test_an_answer_has_bounds(names: dict[str, list[str]], head: bytes, body: bytes, said: str) -> None:
    """And is asked for once: more of the same wouldn't help."""
    names["there.example"] = ["127.0.0.1"]
    async with answering(head, body) as (port, asked), through(port) as client:
        with pytest.raises(ClientError, match=said):
            await client.file("/media/x")
    assert len(asked) == 1


async def test_an_answer_of_countless_pieces_is_not_taken(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is work of its own, and the event loop has its turn meanwhile."""
    names["there.example"] = ["127.0.0.1"]
    turns: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        turns.append(seconds)
        await real(seconds)

    monkeypatch.setattr(ssrf_guard, "PIECE_LEAST", 1)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    head = b"200 OK\r\nTransfer-Encoding: chunked"
    few, many = b"1\r\n \r\n" * MOST + b"0\r\n\r\n", b"0001;x=y\r\n \r\n" * MOST + b"0\r\n\r\n"
    async with answering(head, few) as (port, _), through(port) as client:
        assert await client.file("/media/x") == b" " * MOST
    assert turns.count(0) == MOST // ssrf_guard.PIECES_AT_ONCE
    monkeypatch.setattr(ssrf_guard, "PIECE_LEAST", 2)
    async with answering(head, many) as (port, asked), through(port) as client:
        with pytest.raises(ClientError, match="pieces"):
            await client.file("/media/x")
    assert len(asked) == 1


async def test_an_answer_that_never_begins_is_not_waited_for(
    names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much comes before it; nor is it asked for again."""
    names["there.example"] = ["127.0.0.1"]
    monkeypatch.setattr(ssrf_guard, "HEAD_SECONDS", 0.2)
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        while True:
            writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    async with listening(answer) as port, through(port) as client:
        with pytest.raises(ClientError, match="doesn't begin"):
            await client.liveblog("match")
    assert len(asked) == 1


async def test_a_stream_through_the_gate(names: dict[str, list[str]]) -> None:
    """The same for a WebSocket: the address that was judged, the server's own name."""
    hosts: list[str] = []

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        hosts.append(connection.request.headers["Host"])
        await connection.send('{"type":"hello","epoch":"k3f9x2ab","seq":0,"resumed":true,"heartbeat":25}')
        await connection.send('{"type":"delete","seq":1,"id":"x"}')
        await connection.wait_closed()

    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        names["there.example"] = ["127.0.0.1", "10.255.255.1"]
        async with Client(f"http://there.example:{port}", gate=SsrfGuard(private=True, most=MOST)) as client:
            stream = client.follow("match")
            assert (await anext(stream))["id"] == "x"
            await stream.aclose()
    assert hosts == [f"there.example:{port}"]
