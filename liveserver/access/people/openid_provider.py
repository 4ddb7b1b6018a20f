"""An OpenID provider: its addresses and keys, and how a code becomes an identity (OpenID Connect Core 1.0, code flow).

This module needs the package `joserfc` (the extra `oidc`). Without a provider in the settings, nothing imports the
module.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import orjson
import structlog
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, KeySet

from liveserver.access.people.provider_errors import ProviderDown, ProviderRefused
from liveserver.domain.errors import Busy
from liveserver.settings.definitions import is_private_to_others
from liveserver.utils.limits.concurrency_limiter import ConcurrencyLimiter
from liveserver.utils.limits.refusals import Reason, refusals
from liveserver.utils.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from joserfc.jwk import Key

ANSWER_SECONDS = 10.0
"""Seconds from a request to the provider within which the whole answer must have come."""
ANSWER_MAX = 256 * 1024
"""The greatest size of an answer of the provider, in bytes. The largest known one (Microsoft's keys) has some 20 KB."""
KNOWN_SECONDS = 3_600
"""Seconds for which the provider's addresses and keys are remembered. Keys are read again sooner if a token names an
unknown key."""
KEYS_MAX = 100
"""The greatest number of the provider's keys that are read, from the start of its list. Providers have two to ten."""
CODES_AT_ONCE = 20
CODES_PER_ADDRESS = 5
"""The greatest numbers of codes that are exchanged at the same time: in all, and for one address. Further codes are
refused with Busy. A code is of use to its owner only, so a person has one, unless many people share the address."""
LEEWAY = 60
"""Seconds by which the provider's clock may differ from ours."""
SUBJECT_MAX = 255
"""The greatest length of a subject, in characters (OpenID Connect Core 1.0, 2)."""

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""The algorithms that tokens may be signed with. All are asymmetric. `none` isn't among them, nor is HMAC: with HMAC,
an attacker could sign tokens with the public key as the secret."""

_PUBLIC = frozenset({"kty", "kid", "use", "alg", "n", "e", "crv", "x", "y"})
"""The parameters of a JSON Web Key that are read: those of public keys."""

log = structlog.get_logger(__name__)


class Identity(NamedTuple):
    """A person, as the provider knows them."""

    subject: str
    """The person's id at the provider. It never changes, and is never given to somebody else."""
    name: str
    """The person's name; empty if the provider doesn't tell it."""
    signed_in_at: float | None
    """When the person last signed in at the provider, in seconds since 1970; None if the provider doesn't tell it."""


@dataclass(frozen=True, slots=True)
class _Metadata:
    """The provider's addresses (OpenID Connect Discovery 1.0, 3)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    basic: bool
    """True to send the client's secret in the header `Authorization`, False to send it in the body."""
    until: float
    """The time, on the clock of `OpenIdProvider`, until which the provider isn't asked for its addresses again."""


class OpenIdProvider:
    """One provider, at which this site is a client. Close it at the end."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: str | None,
        redirect_uri: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`redirect_uri`: the address on this site to which the provider sends browsers back."""
        self.issuer = issuer
        self._client_id = client_id
        self._secret = client_secret
        self._redirect_uri = redirect_uri
        self._clock = clock
        # No redirects: what is sent to the provider is for nobody else.
        self._http = httpx2.AsyncClient(follow_redirects=False, timeout=ANSWER_SECONDS)
        self._discovery = SingleFlight(self._discover)
        self._metadata: _Metadata | None = None
        self._keys: KeySet | None = None
        self._exchanges = 0
        self._exchanges_of = ConcurrencyLimiter(CODES_PER_ADDRESS)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*self._discovery.cancel(), return_exceptions=True)
        await self._http.aclose()

    async def address(self, state: str, nonce: str, verifier: str, *, fresh: bool) -> str:
        """Return the address at the provider where a person signs in. Raises ProviderDown.

        `verifier`: the secret without which the code can't be exchanged (PKCE, RFC 7636). `fresh`: True if the person
        must prove again who they are, even if they are signed in at the provider.
        """
        metadata = await self._known()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **({"prompt": "login", "max_age": "0"} if fresh else {}),
        }
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(query)}"

    @contextmanager
    def place(self, prefix: Hashable) -> Iterator[None]:
        """Hold a place in which one code may be exchanged (`identity`). Raises Busy if there is none.

        `prefix`: what the client's address is counted by; None if it isn't limited.
        """
        permit = None
        if self._exchanges >= CODES_AT_ONCE or (
            prefix is not None and (permit := self._exchanges_of.acquire(prefix)) is None
        ):
            refusals.note(Reason.BUSY, waiting=self._exchanges)
            raise Busy("so many people are signing in that no other is begun")
        self._exchanges += 1
        try:
            yield
        finally:
            self._exchanges -= 1
            if permit is not None:
                permit.release()

    async def identity(self, code: str, nonce: str, verifier: str) -> Identity:
        """Return the person for whom the provider gave a code. The caller holds a `place`.

        `nonce`, `verifier`: those that `address` got for this sign-in. Raises ProviderDown, and ProviderRefused if the
        code or the ID token isn't valid.
        """
        metadata = await self._known()
        token = await self._exchange(metadata, code, verifier)
        keys = self._keys or await self._read_keys(metadata)
        try:
            try:
                claims = self._claims(token, keys, nonce)
            except InvalidKeyIdError:
                # The provider has new keys.
                claims = self._claims(token, await self._read_keys(metadata), nonce)
        except (JoseError, ValueError, TypeError) as error:
            raise self._refused(f"{type(error).__name__}: {error}") from error
        subject, name = claims["sub"], claims.get("name") or claims.get("preferred_username")
        if not subject or len(subject) > SUBJECT_MAX or "\x00" in subject:
            raise self._refused("the subject is empty or too long")
        since = claims.get("auth_time")
        return Identity(
            subject,
            name if isinstance(name, str) else "",
            float(since) if isinstance(since, int | float) and not isinstance(since, bool) else None,
        )

    def _claims(self, token: str, keys: KeySet, nonce: str) -> Mapping[str, Any]:
        """Return the claims of an ID token (OpenID Connect Core 1.0, 3.1.3.7).

        Raises JoseError or ValueError if the token isn't signed by one of the keys, was not issued for this site alone,
        isn't valid now, or has another nonce.
        """
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            leeway=LEEWAY,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        ).validate(claims)
        if claims.get("nonce") != nonce:
            raise ValueError("the nonce is another one")
        party = claims.get("azp")
        if party != self._client_id and (
            party is not None or claims["aud"] not in ([self._client_id], self._client_id)
        ):
            raise ValueError("the token is for others, too")
        return claims

    async def _exchange(self, metadata: _Metadata, code: str, verifier: str) -> str:
        """Return the ID token that the provider gives for a code. Raises ProviderDown and ProviderRefused."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        if self._secret is not None and metadata.basic:
            pair = f"{quote(self._client_id, safe='')}:{quote(self._secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client_id} | ({"client_secret": self._secret} if self._secret else {})
        status, answer = await self._ask("POST", metadata.token_endpoint, data=form, headers=headers)
        if 400 <= status < 500:
            error = answer.get("error")
            raise self._refused(error if isinstance(error, str) and re.fullmatch(r"\w{1,40}", error) else str(status))
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise self._down(metadata.token_endpoint, f"{status}, without an ID token")
        return token

    async def _known(self) -> _Metadata:
        """Return the provider's addresses. Raises ProviderDown."""
        if self._metadata is None or self._clock() >= self._metadata.until:
            return await self._discovery(self.issuer)
        return self._metadata

    async def _discover(self, issuer: str) -> _Metadata:
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        status, answer = await self._ask("GET", url)
        if status != 200 or answer.get("issuer") != issuer:
            raise self._down(url, f"{status}, or the issuer isn't {issuer}")
        methods = answer.get("token_endpoint_auth_methods_supported")
        self._metadata = _Metadata(
            self._endpoint(url, answer, "authorization_endpoint"),
            self._endpoint(url, answer, "token_endpoint"),
            self._endpoint(url, answer, "jwks_uri"),
            basic=not isinstance(methods, list) or "client_secret_basic" in methods,
            until=self._clock() + KNOWN_SECONDS,
        )
        self._keys = None
        return self._metadata

    def _endpoint(self, url: str, answer: Mapping[str, Any], name: str) -> str:
        address = answer.get(name)
        if not isinstance(address, str) or not is_private_to_others(address):
            raise self._down(url, f"{name} isn't https")
        return address

    async def _read_keys(self, metadata: _Metadata) -> KeySet:
        status, answer = await self._ask("GET", metadata.jwks_uri)
        found = answer.get("keys")
        if status != 200 or not isinstance(found, list):
            raise self._down(metadata.jwks_uri, f"{status}, without keys")
        keys = [key for data in found[:KEYS_MAX] if (key := _public_key(data)) is not None]
        self._keys = KeySet(keys)
        return self._keys

    async def _ask(self, method: str, url: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON object of an answer. Raises ProviderDown.

        An answer with another status than 200 may have any body. Unless its body is a JSON object, the returned object
        is empty.
        """
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **options.pop("headers", {})}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                self._http.stream(method, url, headers=headers, **options) as response,
            ):
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > ANSWER_MAX:
                        raise self._down(url, f"more than {ANSWER_MAX} bytes")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise self._down(url, f"{type(error).__name__}: {error}") from error
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            if response.status_code == 200:
                raise self._down(url, "no JSON object")
            answer = {}
        return response.status_code, answer

    def _down(self, url: str, reason: str) -> ProviderDown:
        log.warning("provider.down", url=url, reason=reason[:200])
        return ProviderDown("the provider can't be reached, or doesn't answer as it should")

    def _refused(self, reason: str) -> ProviderRefused:
        log.warning("provider.refused", issuer=self.issuer, reason=reason[:200])
        return ProviderRefused("the provider's answer isn't valid")


def _public_key(data: object) -> Key | None:
    """Return the key in an item of a provider's list; None if it isn't a public key for signatures that we can read."""
    if not isinstance(data, dict) or data.get("kty") not in {"RSA", "EC", "OKP"} or data.get("use", "sig") != "sig":
        return None
    try:
        return JWKRegistry.import_key({name: value for name, value in data.items() if name in _PUBLIC})
    except (JoseError, ValueError, TypeError):
        return None
