"""A connection from its handshake's first moment to the protocol that follows it, on each event loop that there is."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import re
import resource
import socket
import ssl
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import uvloop

from liveserver.server.protocols import tls_listener
from liveserver.server.protocols.tls_listener import READ_SIZE, Handshake, RecordGate, Terms, TlsListener
from liveserver.server.protocols.tls_records import RECORDS
from liveserver.utils.limits.refusals import Reason, refusals
from tests.support.certificates import SelfSigned, self_signed

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
        self.paused = asyncio.Event()
        self.resumed = asyncio.Event()
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
    """The protocol that is spoken afterwards: it says back what it hears."""

    def __init__(self, found: Found, handshake: Handshake) -> None:
        assert handshake is found.shaking[-1]
        self._found = found

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._found.told.append("made")

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def pause_writing(self) -> None:
        self._found.paused.set()

    def resume_writing(self) -> None:
        self._found.resumed.set()

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
        # Connections inherit it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
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


class Peer:
    """A client that looks after its records itself."""

    def __init__(self, files: SelfSigned) -> None:
        self._coming, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = trusting(files).wrap_bio(self._coming, self._going, server_hostname="localhost")

    async def connect(self, port: int, said: bytes) -> None:
        """Shake hands, and say something in the same packet."""
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        shaken = False
        while not shaken:
            try:
                self.tls.do_handshake()
                shaken = True
                self.tls.write(said)
            except ssl.SSLWantReadError:
                pass
            self.flush()
            if not shaken:
                self._coming.write(await self._reader.read(65_536))

    def flush(self) -> None:
        """Send the records that there are."""
        self.writer.write(self._going.read())

    async def heard(self, size: int) -> bytes:
        """So many bytes that were said."""
        heard = b""
        while len(heard) < size:
            self._coming.write(await self._reader.read(65_536))
            # The first bytes are a ticket for the next session.
            with suppress(ssl.SSLWantReadError):
                heard += self.tls.read(65_536)
        return heard


def test_a_request_may_come_with_the_end_of_the_handshake(files: SelfSigned, run: Run) -> None:
    """In the same packet as the client's last word: TLS 1.3 lets it (RFC 8446, 2)."""

    async def check() -> None:
        async with listening(files) as found:
            peer = Peer(files)
            await peer.connect(found.port, b"at once")
            assert await peer.heard(7) == b"at once"
            peer.writer.transport.abort()
            await found.lost.wait()

    run(check())


def letters(peer: Peer) -> Callable[[], None]:
    """Records that carry next to nothing."""

    def send() -> None:
        assert peer.tls.write(b"x") == 1

    return send


def key_updates(peer: Peer) -> Callable[[], None]:
    """Records that carry nothing for the protocol: a new key, and the wish that the other side has one, too.

    Python's ssl has no word for it. The pointer to OpenSSL's own object is the third of its object's, in CPython's
    usual build.
    """
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        pytest.skip("needs to know where Python's OpenSSL is (/proc)")
    found = re.search(r"/\S*/libssl\.so\S*", maps)
    if found is None or sys.implementation.name != "cpython" or hasattr(sys, "gettotalrefcount"):
        pytest.skip("needs a usual CPython with OpenSSL as a shared library")
    openssl = ctypes.CDLL(found[0])
    openssl.SSL_key_update.argtypes = [ctypes.c_void_p, ctypes.c_int]
    openssl.SSL_do_handshake.argtypes = openssl.SSL_version.argtypes = [ctypes.c_void_p]
    own = ctypes.c_void_p.from_address(id(peer.tls._sslobj) + 24)  # type: ignore[attr-defined]
    assert openssl.SSL_version(own) == ssl.TLSVersion.TLSv1_3

    def send() -> None:
        assert openssl.SSL_key_update(own, 1) == 1
        assert openssl.SSL_do_handshake(own) == 1

    return send


@pytest.mark.parametrize("flood", [letters, key_updates])
def test_records_without_end_are_the_end(
    files: SelfSigned, run: Run, monkeypatch: pytest.MonkeyPatch, flood: Callable[[Peer], Callable[[], None]]
) -> None:
    """Others are served."""
    noted: list[tuple[Reason, object]] = []
    monkeypatch.setattr(refusals, "note", lambda reason, **details: noted.append((reason, details["address"])))

    async def check() -> None:
        async with listening(files) as found:
            peer = Peer(files)
            await peer.connect(found.port, b"word")
            assert await peer.heard(4) == b"word"
            send = flood(peer)
            try:
                while not found.lost.is_set():
                    for _ in range(RECORDS):
                        send()
                    peer.flush()
                    await asyncio.sleep(0)
            finally:
                peer.writer.transport.abort()
            assert noted == [(Reason.TOO_MANY_RECORDS, "127.0.0.1")]
            found.lost.clear()
            await echoed(files, found)

    run(check())


def test_records_before_the_end_of_a_handshake_count(
    files: SelfSigned, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first word in pieces of a byte: TLS lets it."""
    noted: list[Reason] = []
    monkeypatch.setattr(refusals, "note", lambda reason, **_: noted.append(reason))

    async def check() -> None:
        async with listening(files) as found:
            reader, writer = await asyncio.open_connection("127.0.0.1", found.port)
            # A ClientHello of 1,000 bytes.
            hello = b"\x01\x00\x03\xe8".ljust(1_000, b"\x03")
            writer.write(b"".join(b"\x16\x03\x01\x00\x01%c" % byte for byte in hello))
            with suppress(ConnectionResetError):
                await reader.read()
            await found.left.wait()
            writer.close()
            assert noted == [Reason.TOO_MANY_RECORDS]
            assert found.told == ["taken", "left"]
            await echoed(files, found)

    run(check())


class Scripted(asyncio.Transport):
    """A socket's transport whose reading the test does."""

    def __init__(self, gate: RecordGate) -> None:
        super().__init__()
        self._protocol: asyncio.BaseProtocol = gate
        self.reading = True

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return False

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def read(self, data: bytes) -> None:
        """So much comes."""
        assert self.reading
        protocol = cast("asyncio.BufferedProtocol", self._protocol)
        memoryview(protocol.get_buffer(-1))[: len(data)] = data
        protocol.buffer_updated(len(data))


class Decrypting(asyncio.BufferedProtocol):
    """In the place of TLS."""

    def __init__(self) -> None:
        self._buffer = bytearray(65_536)
        self.got = b""
        self.full: Callable[[], None] | None = None

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.got += self._buffer[:nbytes]
        if self.full is not None:
            self.full()


def test_what_comes_before_tls_is_there_waits(run: Run) -> None:
    """No more than a piece at a time is read meanwhile."""

    async def check() -> None:
        with socket.socket() as sock:
            gate = RecordGate(Handshake(sock, "127.0.0.1"))
        transport, tls = Scripted(gate), Decrypting()
        gate.connection_made(transport)
        transport.read(b"one")
        assert not transport.reading
        # The steps of `start_tls`.
        transport.set_protocol(tls)
        gate.stand_before()
        transport.resume_reading()
        transport.read(b"two")
        assert not transport.reading
        assert tls.got == b""
        await asyncio.sleep(0)
        assert transport.reading
        transport.read(b"three")
        assert tls.got == b"onetwothree"

    run(check())


def test_others_come_before_the_next_piece(run: Run) -> None:
    """Where one was full; and a connection that waits for the reader of what was decrypted waits on."""

    async def check() -> None:
        with socket.socket() as sock:
            gate = RecordGate(Handshake(sock, "127.0.0.1"))
        transport, tls = Scripted(gate), Decrypting()
        gate.connection_made(transport)
        transport.set_protocol(tls)
        gate.stand_before()
        await asyncio.sleep(0)
        assert len(gate.get_buffer(-1)) == READ_SIZE
        transport.read(b"\x17\x03\x03\xff\xff")
        assert transport.reading
        transport.read(bytes(READ_SIZE))
        assert not transport.reading
        await asyncio.sleep(0)
        assert transport.reading
        tls.full = transport.pause_reading
        transport.read(bytes(READ_SIZE))
        await asyncio.sleep(0)
        assert not transport.reading

    run(check())


def test_nothing_encrypted_waits_twice(files: SelfSigned, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that the socket doesn't take stay in TLS, which has its own bound; the transport would hold 64 KB more."""
    gates: list[RecordGate] = []

    class Gate(RecordGate):
        def __init__(self, handshake: Handshake) -> None:
            super().__init__(handshake)
            gates.append(self)

    monkeypatch.setattr(tls_listener, "RecordGate", Gate)

    async def check() -> None:
        async with listening(files) as found:
            reader, writer = await asyncio.open_connection("localhost", found.port, ssl=trusting(files))
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            assert gates[0]._transport.get_write_buffer_limits() == (0, 0)
            writer.close()
            await found.lost.wait()

    run(check())


def test_what_is_large_arrives_whole(files: SelfSigned, run: Run) -> None:
    """In both directions; and a peer that doesn't read is waited for."""
    sent = os.urandom(4 * 1024 * 1024)

    async def check() -> None:
        async with listening(files) as found:
            reader, writer = await asyncio.open_connection("localhost", found.port, ssl=trusting(files))
            writer.write(sent)
            await found.paused.wait()
            assert await reader.readexactly(len(sent)) == sent
            await found.resumed.wait()
            writer.close()
            await writer.wait_closed()
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
    """It is told, and a client that waits is served when there are some again."""

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
