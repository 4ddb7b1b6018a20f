"""Bytes that wait for a TLS viewer that doesn't read, on real connections and both event loops: few are encrypted."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvloop

from liveserver.realtime.transport.encrypted_transport import PIECE, WAITING_MAX, EncryptedTransport
from tests.support.certificates import SelfSigned, self_signed
from tests.support.viewers import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, None]], None]

MESSAGE = os.urandom(2_800)
RECORD = 100
"""Bytes by which encryption makes a piece longer, at most."""


class Follower(asyncio.Protocol):
    """The protocol that the transport stands before."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.resumed = asyncio.Event()
        self.lost = asyncio.Event()

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")
        self.resumed.set()

    def data_received(self, data: bytes) -> None:
        self.heard.put_nowait(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost")
        self.lost.set()


class Accepted(asyncio.Protocol):
    """A connection's protocol before the transport takes its place."""

    def __init__(self, made: asyncio.Future[asyncio.Transport]) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.set_result(cast("asyncio.Transport", transport))


class Seat:
    """A connection, both its ends, and the follower at the server's."""

    def __init__(self, tls: asyncio.Transport, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tls = tls
        self.follower = Follower()
        self.transport = EncryptedTransport(tls, self.follower)
        self.reader = reader
        self.writer = writer

    def fill(self) -> int:
        """Write messages until the follower is told to pause; how many."""
        count = 0
        while not self.follower.told:
            self.transport.write(MESSAGE)
            count += 1
        return count


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on an event loop of its own."""

    def on_it(check: Coroutine[Any, Any, None]) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(PATIENCE):
                await check

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(in_time())

    return on_it


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SelfSigned:
    """One certificate for all."""
    return asyncio.run(self_signed(tmp_path_factory.mktemp("tls")))


@asynccontextmanager
async def seat(files: SelfSigned) -> AsyncIterator[Seat]:
    """A connection whose kernel buffers are small, and whose client reads when it is told to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    loop = asyncio.get_running_loop()
    made: asyncio.Future[asyncio.Transport] = loop.create_future()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, 16 * 1024)
        server = await loop.create_server(lambda: Accepted(made), sock=sock, ssl=context)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        client.setblocking(False)
        await loop.sock_connect(client, sock.getsockname())
        trusting = ssl.create_default_context(cafile=str(files.certificate))
        reader, writer = await asyncio.open_connection(
            sock=client, ssl=trusting, server_hostname="localhost", limit=1_024
        )
        try:
            yield Seat(await made, reader, writer)
        finally:
            writer.transport.abort()
            server.close()


def test_little_is_encrypted_of_what_waits(run: Run, files: SelfSigned) -> None:
    """Beyond the socket's one piece, which others' bytes wait behind, as they are; the follower pauses at the bound."""

    async def check() -> None:
        async with seat(files) as here:
            count = here.fill()
            encrypted = here.tls.get_write_buffer_size()
            assert 0 < encrypted <= PIECE + RECORD
            waiting = here.transport.get_write_buffer_size() - encrypted
            assert WAITING_MAX < waiting <= WAITING_MAX + len(MESSAGE)
            assert here.follower.told == ["pause"]
            # Later ones than this wait, too, though nobody should write them.
            here.transport.write(MESSAGE)
            assert await here.reader.readexactly((count + 1) * len(MESSAGE)) == MESSAGE * (count + 1)
            await here.follower.resumed.wait()
            assert here.follower.told == ["pause", "resume"]
            assert here.transport.get_write_buffer_size() == 0
            # And again.
            here.follower.told.clear()
            again = here.fill()
            assert await here.reader.readexactly(again * len(MESSAGE)) == MESSAGE * again

    run(check())


def test_a_large_message_is_encrypted_by_pieces(run: Run, files: SelfSigned) -> None:
    async def check() -> None:
        async with seat(files) as here:
            large = os.urandom(1_000_000)
            here.transport.write(large)
            assert here.tls.get_write_buffer_size() <= PIECE + RECORD
            assert here.follower.told == ["pause"]
            assert await here.reader.readexactly(len(large)) == large

    run(check())


def test_what_waits_is_sent_before_the_end(run: Run, files: SelfSigned) -> None:
    """`close` takes no more, and lets go of nothing; it is closing from that moment."""

    async def check() -> None:
        async with seat(files) as here:
            count = here.fill()
            assert not here.transport.is_closing()
            here.transport.close()
            assert here.transport.is_closing()
            here.transport.write(b"late")
            assert await here.reader.read(-1) == MESSAGE * count
            here.writer.close()
            await here.follower.lost.wait()
            assert here.follower.told == ["pause", "lost"]

    run(check())


def test_without_anything_waiting_the_end_is_at_once(run: Run, files: SelfSigned) -> None:
    async def check() -> None:
        async with seat(files) as here:
            here.transport.write(MESSAGE)
            here.transport.close()
            assert here.transport.is_closing()
            assert await here.reader.read(-1) == MESSAGE

    run(check())


def test_what_waits_goes_with_a_connection_that_is_cut_off(run: Run, files: SelfSigned) -> None:
    """By us, or by the peer; nothing of it waits for the garbage collector."""

    async def check() -> None:
        for by_us in (True, False):
            async with seat(files) as here:
                here.fill()
                (here.transport if by_us else here.writer.transport).abort()
                await here.follower.lost.wait()
                assert here.transport.is_closing()
                here.transport.write(MESSAGE * 100)
                here.transport.close()
                here.transport.abort()
                assert here.follower.told == ["pause", "lost"]
                assert EncryptedTransport not in map(type, gc.get_referrers(here.follower))

    run(check())


def test_the_rest_is_the_transports(run: Run, files: SelfSigned) -> None:
    """Bytes of the peer are passed on, and no direction ends by itself."""

    async def check() -> None:
        async with seat(files) as here:
            assert here.transport.get_extra_info("sslcontext") is not None
            assert here.transport.get_extra_info("nothing", 5) == 5
            here.transport.pause_reading()
            assert not here.transport.is_reading()
            here.writer.write(b"hello")
            here.transport.resume_reading()
            assert await here.follower.heard.get() == b"hello"
            assert not here.transport.can_write_eof()
            with pytest.raises(NotImplementedError):
                here.transport.write_eof()
            another = Follower()
            here.transport.set_protocol(another)
            assert here.transport.get_protocol() is another
            here.writer.close()
            await another.lost.wait()

    run(check())


def test_what_waited_before_comes_first(run: Run, files: SelfSigned) -> None:
    """The answer to the handshake may still wait in TLS, which has its protocol paused, when a viewer takes over."""

    async def check() -> None:
        async with seat(files) as here:
            before = os.urandom(400_000)
            here.tls.set_protocol(Follower())
            here.tls.set_write_buffer_limits(64 * 1024)
            for start in range(0, len(before), 100_000):
                here.tls.write(before[start : start + 100_000])
            here.transport = EncryptedTransport(here.tls, here.follower)
            here.transport.write(MESSAGE)
            assert here.transport.get_write_buffer_size() == len(MESSAGE) + here.tls.get_write_buffer_size()
            assert await here.reader.readexactly(len(before) + len(MESSAGE)) == before + MESSAGE

    run(check())
