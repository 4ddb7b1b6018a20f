"""To which addresses connections go, and how much is taken from what answers there."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from liveserver.client import Client, ClientError
from liveserver.outgoing import Forbidden, PublicGate, is_public

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MOST = 1_000


@pytest.mark.parametrize(
    "address",
    ["93.184.216.34", "2606:4700::6810:84e5", "::ffff:93.184.216.34", "64:ff9b::5db8:d822", "2002:5db8:d822::1"],
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "239.255.255.250", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
        *("::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        # IPv4 in other clothes.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::1"),
    ],
)
def test_all_others(address: str) -> None:
    assert not is_public(address)


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names resolve to; each look-up is the next of the list, the last again and again."""
    known: dict[str, list[str]] = {}
    loop_class = type(asyncio.get_running_loop())

    async def getaddrinfo(_loop: Any, host: str, port: int, **_: Any) -> list[Any]:
        answers = known.get(host, [host])
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(None, None, None, "", (each, port)) for each in address.split()]

    monkeypatch.setattr(loop_class, "getaddrinfo", getaddrinfo)
    return known


async def test_a_name_is_judged_by_what_it_means(names: dict[str, list[str]]) -> None:
    gate = PublicGate(private=False, most=MOST)
    names["inside.example"] = ["10.0.0.1"]
    names["both.example"] = ["10.0.0.1 93.184.216.34"]
    with pytest.raises(Forbidden, match=r"inside\.example is at a private address: 10\.0\.0\.1"):
        await gate.address("inside.example", 80)
    assert await gate.address("both.example", 80) == "93.184.216.34"
    assert await PublicGate(private=True, most=MOST).address("inside.example", 80) == "10.0.0.1"


@asynccontextmanager
async def answering(head: bytes, body: bytes = b"") -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every request so; its port, and what it was asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n\r\n" + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


async def test_the_connection_goes_to_the_address_that_was_judged(names: dict[str, list[str]]) -> None:
    """Whatever a second look-up says; and the server is asked by its name."""
    async with answering(b"200 OK\r\nContent-Length: 2", b"{}") as (port, asked):
        names["there.example"] = ["127.0.0.1", "10.255.255.1"]
        async with Client(f"http://there.example:{port}", gate=PublicGate(private=True, most=MOST)) as client:
            assert await client.liveblog("match") == {}
    assert f"\r\nhost: there.example:{port}\r\n".encode() in asked[0].lower()


async def test_a_private_address_is_never_asked(names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liveserver.client.BACKOFF_FIRST", 0)
    async with answering(b"200 OK\r\nContent-Length: 2", b"{}") as (port, asked):
        names["there.example"] = ["127.0.0.1"]
        async with Client(f"http://there.example:{port}", gate=PublicGate(private=False, most=MOST)) as client:
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
    return Client(f"http://there.example:{port}", gate=PublicGate(private=True, most=MOST))


class StopFollowing(Exception):
    pass


async def _stop(_seconds: float) -> None:
    raise StopFollowing


async def test_a_redirect_leads_nowhere(names: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of a request nor of a stream."""
    monkeypatch.setattr("liveserver.client.BACKOFF_FIRST", 0)
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
        async with Client(f"http://there.example:{port}", gate=PublicGate(private=True, most=MOST)) as client:
            stream = client.follow("match")
            assert (await anext(stream))["id"] == "x"
            await stream.aclose()
    assert hosts == [f"there.example:{port}"]
