"""Certificates for tests, which nobody but themselves vouches for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from tests.support.services import required

if TYPE_CHECKING:
    from pathlib import Path


class SelfSigned(NamedTuple):
    """The files of a certificate and its key."""

    certificate: Path
    key: Path


async def self_signed(directory: Path, name: str = "localhost") -> SelfSigned:
    """A certificate for localhost and 127.0.0.1, by openssl. `name`: the files', and the subject's."""
    made = SelfSigned(directory / f"{name}.pem", directory / f"{name}.key.pem")
    arguments = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    arguments += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    arguments += ["-keyout", str(made.key), "-out", str(made.certificate)]
    openssl = required("openssl")
    process = await asyncio.create_subprocess_exec(openssl, *arguments, stderr=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return made
