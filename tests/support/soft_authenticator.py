"""An authenticator in software, which makes passkeys and signs with them as the test wants."""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url, encode_cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
JSON = dict[str, Any]


@dataclass
class SoftPasskey:
    """A passkey on the authenticator, and the browser's part of what it answers. Fields can be changed at any time."""

    origin: str
    rp_id: str
    user_handle: str = ""
    count: int = 0
    """The signature counter of the next answer. It isn't changed by answering."""
    flags: int = PRESENT | VERIFIED
    cross_origin: bool = False
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def made(self, options: JSON) -> JSON:
        """The answer to the options for a new passkey."""
        self.user_handle = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + encode_cbor(cose)
        data = self._data(self.flags | ATTESTED) + attested
        return self._credential(
            clientDataJSON=bytes_to_base64url(self._client_data("webauthn.create", options["challenge"])),
            attestationObject=bytes_to_base64url(encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})),
        )

    def signed(self, options: JSON) -> JSON:
        """The answer to the options for signing in."""
        client_data, data = self._client_data("webauthn.get", options["challenge"]), self._data(self.flags)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential(
            clientDataJSON=bytes_to_base64url(client_data),
            authenticatorData=bytes_to_base64url(data),
            signature=bytes_to_base64url(signature),
            userHandle=self.user_handle,
        )

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        content = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin}
        return json.dumps(content).encode()

    def _credential(self, **response: str) -> JSON:
        shown = bytes_to_base64url(self.id)
        return {"id": shown, "rawId": shown, "type": "public-key", "response": response, "clientExtensionResults": {}}
