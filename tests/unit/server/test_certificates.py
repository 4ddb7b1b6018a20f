"""TLS in the process: which files are taken, and on what terms is spoken. A real server is in `tests/acceptance/`."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from typing import TYPE_CHECKING

import pytest

from liveserver.domain.errors import SettingsError
from liveserver.server.certificates import Certificate
from tests.support.certificates import SelfSigned, self_signed
from tests.support.services import required

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
async def made(tmp_path: Path) -> SelfSigned:
    return await self_signed(tmp_path)


@pytest.fixture
async def other(tmp_path: Path) -> SelfSigned:
    return await self_signed(tmp_path, "other")


def held(files: SelfSigned) -> Certificate:
    """A server's, of these files."""
    return Certificate(str(files.certificate), str(files.key))


def shake(server: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's side of a handshake between the two, once it is over."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    waiting = [theirs, ours]
    for turn in range(10):
        if not waiting:
            break
        side = waiting[turn % len(waiting)]
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
        waiting.remove(side)
    assert waiting == []
    return theirs


def client_of(files: SelfSigned, *, most: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED) -> ssl.SSLContext:
    """A client that knows the certificate, and speaks no newer version."""
    context = ssl.create_default_context(cafile=str(files.certificate))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = most
    return context


def test_what_is_spoken(made: SelfSigned) -> None:
    """TLS 1.3 and 1.2, with forward secrecy and authenticated encryption; a client that asks is told HTTP/1.1."""
    server = held(made).context
    client = client_of(made)
    client.set_alpn_protocols(["h2", "http/1.1"])
    newest = shake(server, client)
    assert (newest.version(), newest.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    older = shake(server, client_of(made, most=ssl.TLSVersion.TLSv1_2))
    assert older.version() == "TLSv1.2"
    assert str(older.cipher()).startswith("('ECDHE-")
    offered = {cipher["name"] for cipher in server.get_ciphers()}
    assert not [name for name in offered if "GCM" not in name and "CHACHA20" not in name]


def test_what_is_not_spoken(made: SelfSigned) -> None:
    """Older versions, ciphers without forward secrecy, and another handshake amid a connection."""
    server = held(made).context
    assert server.options & ssl.OP_NO_RENEGOTIATION
    assert server.minimum_version == ssl.TLSVersion.TLSv1_2
    client = client_of(made, most=ssl.TLSVersion.TLSv1_2)
    client.set_ciphers("AES128-GCM-SHA256:AES128-SHA")
    with pytest.raises(ssl.SSLError, match=r"HANDSHAKE_FAILURE|NO_SHARED_CIPHER"):
        shake(server, client)


async def test_a_renewed_certificate(made: SelfSigned, other: SelfSigned) -> None:
    """Is shown from then on; a pair that doesn't go together, or half a file, leaves the one before."""
    certificate = held(made)
    shutil.copy(other.certificate, made.certificate)
    with pytest.raises(SettingsError, match="is not that of the certificate"):
        certificate.read()
    made.key.write_text(other.key.read_text()[:200])
    with pytest.raises(SettingsError, match="are no TLS certificate and key"):
        certificate.read()
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(certificate.context, client_of(other))
    shutil.copy(other.key, made.key)
    certificate.read()
    assert shake(certificate.context, client_of(other)).version() == "TLSv1.3"


async def test_files_that_are_no_use(made: SelfSigned, other: SelfSigned, tmp_path: Path) -> None:
    """One line says which, and why."""
    missing, empty, locked = tmp_path / "missing.pem", tmp_path / "empty.pem", tmp_path / "locked.pem"
    empty.write_text("")
    arguments = ["pkey", "-in", str(made.key), "-aes128", "-passout", "pass:gardez-le", "-out", str(locked)]
    elliptic = tmp_path / "elliptic.pem"
    curve = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(elliptic)]
    for command in (arguments, curve):
        process = await asyncio.create_subprocess_exec(required("openssl"), *command)
        assert await process.wait() == 0
    for files, said in {
        SelfSigned(missing, made.key): f"can't read the TLS certificate {missing}: No such file",
        SelfSigned(made.certificate, missing): f"can't read the TLS key {missing}: No such file",
        SelfSigned(tmp_path, made.key): f"can't read the TLS certificate {tmp_path}: Is a directory",
        SelfSigned(made.certificate, other.key): f"the TLS key {other.key} is not that of the certificate",
        SelfSigned(made.certificate, elliptic): f"the TLS key {elliptic} is not that of the certificate",
        SelfSigned(empty, made.key): f"{empty} and {made.key} are no TLS certificate and key in PEM",
        SelfSigned(made.certificate, empty): "are no TLS certificate and key in PEM",
        SelfSigned(made.certificate, locked): f"the TLS key {locked} has a password",
        SelfSigned(made.key, made.certificate): "are no TLS certificate and key in PEM",
    }.items():
        with pytest.raises(SettingsError) as caught:
            held(files)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
