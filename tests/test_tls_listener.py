"""A connection from its handshake's first moment to the protocol that follows it, on each event loop that there is."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvloop

from liveserver.refusals import Reason, refusals
from liveserver.tls_listener import Handshake, Terms, TlsListener
from tests.certificates import SelfSigned, self_signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    Run = Callable[[Coroutine[Any, Any, None]], None]

PATIENCE = 10.0


class Found:
    """Places for connections, and what becomes of those that take one."""

    def __init__(self) -> None:
        self.room = True
        self.shaking: list[Handshake] = []
        self.told: list[str] = []
        self.begun = asyncio.Event()
        self.left = asyncio.Event()
        self.lost = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def take(self, handshake: Handshake) -> bool:
        self.told.append("taken" if self.room else "refused")
        self.shaking.append(handshake)
        self.begun.set()
        return self.room

    def leave(self, handshake: Handshake) -> None:
        assert handshake in self.shaking
        self.told.append("left")
        self.left.set()


class Echo(asyncio.Protocol):
    """What is spoken afterwards: it says back what it hears."""

    def __init__(self, found: Found, handshake: Handshake) -> None:
        assert handshake is found.shaking[-1]
        self._found = found

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._found.told.append("made")

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._found.told.append("lost")
        self._found.lost.set()


@asynccontextmanager
async def listening(files: SelfSigned, *, seconds: float = PATIENCE) -> AsyncIterator[Found]:
    """Accept connections; afterwards nothing may be left running."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    found = Found()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        found.port = sock.getsockname()[1]
        listener = TlsListener(
            lambda handshake: Echo(found, handshake), Terms(context, seconds, 1.0), found, found.tasks, sock
        )
        async with asyncio.timeout(PATIENCE):
            yield found
            listener.close()
            await listener.wait_closed()
            if found.tasks:
                await asyncio.wait(found.tasks)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on an event loop of its own."""

    def on_it(check: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(check)

    return on_it


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SelfSigned:
    """One certificate for all."""
    return asyncio.run(self_signed(tmp_path_factory.mktemp("tls")))


def trusting(files: SelfSigned) -> ssl.SSLContext:
    """A client's context."""
    return ssl.create_default_context(cafile=str(files.certificate))


async def echoed(files: SelfSigned, found: Found) -> None:
    """Speak with what follows a handshake."""
    reader, writer = await asyncio.open_connection("localhost", found.port, ssl=trusting(files))
    for word in (b"one", b"two"):
        writer.write(word)
        assert await reader.readexactly(3) == word
    writer.close()
    await writer.wait_closed()
    await found.lost.wait()


def test_what_follows_is_encrypted(files: SelfSigned, run: Run) -> None:
    """The handshake keeps its place until that has been told of the connection."""

    async def check() -> None:
        async with listening(files) as found:
            await echoed(files, found)
        assert sorted(found.told[:3]) == ["left", "made", "taken"]
        assert found.told[3:] == ["lost"]

    run(check())


def test_a_request_may_come_with_the_end_of_the_handshake(files: SelfSigned, run: Run) -> None:
    """In the same packet as the client's last word: TLS 1.3 lets it (RFC 8446, 2)."""

    async def check() -> None:
        async with listening(files) as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = trusting(files).wrap_bio(coming, going, server_hostname="localhost")
            shaken = False
            while not shaken:
                try:
                    client.do_handshake()
                    shaken = True
                    client.write(b"at once")
                except ssl.SSLWantReadError:
                    pass
                writer.write(going.read())
                if not shaken:
                    coming.write(await reader.read(65_536))
            heard = b""
            while len(heard) < 7:
                coming.write(await reader.read(65_536))
                # What comes first is a ticket for the next session.
                with suppress(ssl.SSLWantReadError):
                    heard += client.read(65_536)
            assert heard == b"at once"
            writer.transport.abort()
            await found.lost.wait()

    run(check())


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"])
def test_what_is_no_handshake_ends(files: SelfSigned, run: Run, sent: bytes) -> None:
    """When its time is over, or at once where it is something else. Nothing follows it."""

    async def check() -> None:
        async with listening(files, seconds=0.05) as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            writer.write(sent)
            with suppress(ConnectionResetError):
                # An alert may tell it what is wrong.
                await reader.read()
            await found.left.wait()
            writer.close()
        assert found.told == ["taken", "left"]

    run(check())


def test_one_that_gives_way_is_told_nothing(files: SelfSigned, run: Run) -> None:
    """Its place is another's, before it said anything; or it had none."""

    async def check() -> None:
        async with listening(files) as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            await found.begun.wait()
            found.shaking[0].shutdown()
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            await found.left.wait()
            writer.close()
            assert found.told == ["taken", "left"]
            found.room = False
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
            assert found.told == ["taken", "left", "refused"]
            found.shaking[0].shutdown()

    run(check())


def test_without_descriptors_it_goes_on_later(files: SelfSigned, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told, and whoever waits is served when there are some again."""

    async def check() -> None:
        async with listening(files) as found:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            noted: asyncio.Queue[Reason] = asyncio.Queue()
            monkeypatch.setattr(refusals, "note", lambda reason, **_: noted.put_nowait(reason))
            client = socket.socket()
            client.setblocking(False)
            free = os.dup(0)
            os.close(free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
            try:
                with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
                    os.dup(0)
                await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", found.port))
                assert await noted.get() is Reason.TOO_MANY_CONNECTIONS
                assert found.told == []
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await found.begun.wait()
            client.close()
            await found.left.wait()
            found.told.clear()
            await echoed(files, found)

    run(check())
