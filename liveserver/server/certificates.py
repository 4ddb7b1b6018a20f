"""TLS in the process: the certificate that the server shows, and the terms on which it speaks (RFC 9325)."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from liveserver.settings import Settings

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: those with forward secrecy and authenticated encryption. TLS 1.3 has no others."""

MISMATCHES = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
"""How OpenSSL says that a key is another certificate's; the last is that of a key of another kind (RSA, EC)."""


class Certificate:
    """A certificate, with those that vouch for it, and its key, in two files of PEM. `context` is for uvicorn.

    Raises SettingsError for files that can't be read, are no such thing, or don't go together.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._files = (certificate, key)
        self.context = self._made()
        """What the server listens with. Each connection is given the newest one as it begins."""
        self._newest = self.context
        self.context.sni_callback = self._renewed

    def read(self) -> None:
        """Read the files once more: whoever connects from now on gets what is in them; who is connected keeps theirs.

        Raises SettingsError, and goes on with what there was.
        """
        self._newest = self._made()

    def _renewed(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """Go on with the newest context; OpenSSL calls this as a handshake begins, also for who names no server."""
        connection.context = self._newest

    def _made(self) -> ssl.SSLContext:
        """A context of what is in the files: a new one, as an old certificate would stay beside one of another kind."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        # Another handshake amid a connection (TLS 1.2): older versions of OpenSSL let clients ask for it.
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        for path, what in zip(self._files, ("certificate", "key"), strict=True):
            try:
                Path(path).read_bytes()
            except OSError as error:
                raise SettingsError(f"can't read the TLS {what} {path}: {error.strerror}") from None
        certificate, key = self._files
        try:
            context.load_cert_chain(certificate, key, password=self._no_password)
        except ssl.SSLError as error:
            if error.reason in MISMATCHES:
                raise SettingsError(f"the TLS key {key} is not that of the certificate {certificate}") from None
            raise SettingsError(f"{certificate} and {key} are no TLS certificate and key in PEM") from None

    def _no_password(self) -> str:
        """Asked for by OpenSSL, which would else ask at the terminal."""
        key = self._files[1]
        raise SettingsError(f"the TLS key {key} has a password: give it without one (openssl pkey -in {key})")


def configured_certificate(settings: Settings) -> Certificate | None:
    """The certificate that the settings name; None if they name none. Raises SettingsError if it can't be read."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)
