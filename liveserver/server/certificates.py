"""The server's TLS certificate, and the TLS settings of its connections (RFC 9325)."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from liveserver.domain.errors import SettingsError

if TYPE_CHECKING:
    from liveserver.settings import Settings

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The ciphers for TLS 1.2. They have forward secrecy and authenticated encryption, as all ciphers of TLS 1.3 have."""

MISMATCHES = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}
"""The reasons that OpenSSL gives if a key belongs to another certificate.

`NO_CERTIFICATE_ASSIGNED` is the reason if the key has another type (RSA, EC) than the certificate."""


class Certificate:
    """A certificate with its chain, and the certificate's key. They are read from two PEM files.

    Raises SettingsError if a file can't be read, if the files aren't a certificate and a key, if the key belongs to
    another certificate, or if the key has a password.
    """

    def __init__(self, certificate: str, key: str) -> None:
        self._files = (certificate, key)
        self.context = self._new_context()
        """The TLS context with which uvicorn listens. It is never replaced: `_use_newest` gives each connection
        the context that was made last."""
        self._newest = self.context
        self.context.sni_callback = self._use_newest

    def read(self) -> None:
        """Read the files again. New connections get the new certificate; open connections keep the old one.

        Raises SettingsError if the files can't be used. In that case, new connections get the old certificate as
        before.
        """
        self._newest = self._new_context()

    def _use_newest(
        self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext
    ) -> None:
        """Give a connection the newest context. Called by OpenSSL in each handshake, even without a server name."""
        connection.context = self._newest

    def _new_context(self) -> ssl.SSLContext:
        """Read the files, and return a new TLS context with the certificate and the key.

        A new certificate isn't loaded into the old context: if the two certificates had different types (RSA, EC), the
        context would then have both.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        # Refuse a second handshake within a connection (TLS 1.2): older versions of OpenSSL let clients ask for one.
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        for path, name in zip(self._files, ("certificate", "key"), strict=True):
            try:
                Path(path).read_bytes()
            except OSError as error:
                raise SettingsError(f"can't read the TLS {name} {path}: {error.strerror}") from None
        certificate, key = self._files
        try:
            context.load_cert_chain(certificate, key, password=self._no_password)
        except ssl.SSLError as error:
            if error.reason in MISMATCHES:
                raise SettingsError(f"the TLS key {key} is not that of the certificate {certificate}") from None
            raise SettingsError(f"{certificate} and {key} are no TLS certificate and key in PEM") from None

    def _no_password(self) -> str:
        """Raise SettingsError. Called by OpenSSL when the key has a password. Without this method, OpenSSL would ask
        for the password at the terminal."""
        key = self._files[1]
        raise SettingsError(f"the TLS key {key} has a password: give it without one (openssl pkey -in {key})")


def configured_certificate(settings: Settings) -> Certificate | None:
    """Read and return the certificate that the settings name; None if the settings name no certificate.

    Raises SettingsError if the certificate or its key can't be used.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)
