"""Passkeys (WebAuthn): how browsers make them, and how users sign in, join and confirm with them.

This module needs the package `webauthn` (the extra `passkeys`). Without the package, nothing imports the module.

A ceremony has two requests. The first gets options with a random challenge, and a cookie with the same challenge,
signed (`SignedStates`). The second brings the authenticator's answer, which has signed the challenge. So an answer is
accepted for `CHALLENGE_SECONDS`, only from the browser whose cookie has the challenge, and only once: this process
remembers the challenges that were used, and the store takes no answer whose signature counter isn't higher than before.
The counter of many passkeys is always 0. An answer of such a passkey could be used again at another process of the
site, within `CHALLENGE_SECONDS`, by somebody who has both the answer and the browser's HttpOnly cookie.
"""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import webauthn
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, generate_challenge, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.parse_authentication_credential_json import parse_authentication_credential_json
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from liveserver.access.people.sign_in import check_confirmed
from liveserver.access.people.signed_state import Purpose, SignedStates
from liveserver.domain.errors import Unauthorized
from liveserver.domain.ids import now
from liveserver.store.repositories.people.credentials import Credential, NewPasskey
from liveserver.store.repositories.people.proofs import Proof
from liveserver.utils import audit_log
from liveserver.utils.tokens import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from liveserver.access.people.desk_sessions import DeskActor
    from liveserver.access.people.sign_in import Client, SignedIn, SignIn
    from liveserver.store import Store
    from liveserver.store.repositories.people.credentials import Passkey

    Answer = dict[str, Any]
    """The answer of an authenticator, as a browser's `PublicKeyCredential.toJSON()` returns it."""

T = TypeVar("T")

CHALLENGE_SECONDS = 300
"""The greatest number of seconds from a challenge to its answer. People may have to fetch a security key or a phone."""

ID_BYTES_MAX = 1_023
"""The greatest length of a passkey's id in bytes (WebAuthn, 5.1.3)."""

KEY_BYTES_MAX = 2_000
"""The greatest length of a passkey's public key in bytes. An RSA key of 4,096 bits has some 530."""

ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
"""The signature algorithms of the passkeys that the server asks for. All authenticators have one of these."""

REFUSED = "this passkey isn't accepted"

_DEVICES = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


class Options(NamedTuple):
    """The WebAuthn options for an authenticator, as JSON, and the state for the browser's cookie."""

    public_key: dict[str, Any]
    state: str


def is_offered_at(base_url: str) -> bool:
    """Return True if browsers allow passkeys at an address: `https` and a host name (no IP address), or localhost."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return parts.scheme == "https" or host == "localhost" or host.endswith(".localhost")
    return False


class Passkeys:
    """The ceremonies with passkeys. One object serves a process."""

    def __init__(self, store: Store, sign_in: SignIn, *, base_url: str, site_name: str) -> None:
        """`base_url`: the site's public address. Its host is the RP id, so passkeys are lost if the host changes.

        `site_name`: the name that browsers show beside a passkey.
        """
        parts = urlsplit(base_url)
        self._store = store
        self._sign_in = sign_in
        self._host = parts.hostname or ""
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._site_name = site_name
        self._states = SignedStates(store, "passkey", timedelta(seconds=CHALLENGE_SECONDS))
        self.lifetime = self._states.lifetime
        """The time for which a challenge is valid."""

    async def sign_in_options(self) -> Options:
        """Return the options to sign in. They name no user: the browser shows the passkeys that it has for the site."""
        return await self._request(Purpose.SIGN_IN)

    async def sign_in(self, state: str | None, answer: Answer, client: Client) -> SignedIn:
        """Sign in. Raises Unauthorized if the passkey isn't accepted or the user was disabled, and TooManyRequests."""
        self._sign_in.count(client)
        passkey = await self._verified(Purpose.SIGN_IN, "", state, answer, client)
        return await self._sign_in.begin(passkey.user_id, client, Proof(passkey=passkey.id))

    async def join_options(self, token: str, client: Client) -> Options:
        """Return the options to make a passkey for a user who joins by a link.

        Raises Unauthorized if the link isn't valid, and TooManyRequests.
        """
        _, user = await self._sign_in.link(token, client)
        return await self._creation(Purpose.JOIN, digest_of(token), user.id, user.name)

    async def join(self, state: str | None, token: str, answer: Answer, client: Client) -> SignedIn:
        """Use a link with a new passkey, and sign in.

        Raises Unauthorized if the link isn't valid or the passkey isn't accepted, Conflict if the passkey is known
        already, and TooManyRequests.
        """
        _, user = await self._sign_in.link(token, client)
        passkey = await self._made(Purpose.JOIN, digest_of(token), state, answer, client)
        return await self._sign_in.join(token, user, Credential(passkey=passkey), client)

    async def add_options(self, actor: DeskActor) -> Options:
        """Return the options to make one more passkey for a user who is signed in. Raises NotConfirmed."""
        check_confirmed(actor)
        principal = actor.actor.principal
        return await self._creation(Purpose.ADD, principal.session or "", principal.id, principal.name)

    async def add(self, state: str | None, actor: DeskActor, answer: Answer, client: Client) -> None:
        """Add a passkey of the acting user. Raises Unauthorized if the passkey isn't accepted, and NotConfirmed.

        Raises Conflict if the passkey is known already, or if the user has as many passkeys as are allowed.
        """
        check_confirmed(actor)
        principal = actor.actor.principal
        passkey = await self._made(Purpose.ADD, principal.session or "", state, answer, client)
        await self._store.credentials.change(principal, Credential(passkey=passkey), now())

    async def confirm_options(self, actor: DeskActor) -> Options:
        """Return the options to prove again who one is. They name the acting user's passkeys."""
        principal = actor.actor.principal
        known = await self._store.credentials.passkeys(principal.id)
        return await self._request(Purpose.CONFIRM, principal.session or "", known)

    async def confirm(self, state: str | None, actor: DeskActor, answer: Answer, client: Client) -> None:
        """Note that the acting user has proved again, by a passkey, who they are.

        Raises Unauthorized if the passkey isn't accepted or isn't this user's, and TooManyRequests.
        """
        principal = actor.actor.principal
        with self._sign_in.count_own(actor):
            passkey = await self._verified(Purpose.CONFIRM, principal.session or "", state, answer, client)
            if passkey.user_id != principal.id:
                raise self._refused(client, "somebody else's passkey")
        await self._store.sessions.confirmed(principal, Proof(passkey=passkey.id), now())

    async def _request(self, purpose: Purpose, who: str = "", known: Iterable[Passkey] = ()) -> Options:
        challenge = generate_challenge()
        options = webauthn.generate_authentication_options(
            rp_id=self._host,
            challenge=challenge,
            timeout=CHALLENGE_SECONDS * 1000,
            allow_credentials=_descriptors(known),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        state = await self._states.issue(purpose, who, challenge=bytes_to_base64url(challenge))
        return Options(options_to_json_dict(options), state)

    async def _creation(self, purpose: Purpose, who: str, user_id: str, name: str) -> Options:
        challenge = generate_challenge()
        options = webauthn.generate_registration_options(
            rp_id=self._host,
            rp_name=self._site_name,
            user_id=user_id.encode(),
            user_name=name,
            challenge=challenge,
            timeout=CHALLENGE_SECONDS * 1000,
            authenticator_selection=AuthenticatorSelectionCriteria(
                # Nobody types a name to sign in with a passkey: one that the authenticator can't find by itself would
                # be of no use.
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(await self._store.credentials.passkeys(user_id)),
            supported_pub_key_algs=ALGORITHMS,
        )
        state = await self._states.issue(purpose, who, challenge=bytes_to_base64url(challenge))
        return Options(options_to_json_dict(options), state)

    async def _verified(self, purpose: Purpose, who: str, state: str | None, answer: Answer, client: Client) -> Passkey:
        """Return the passkey that has answered a challenge. Raises Unauthorized if the answer isn't accepted."""
        challenge = base64url_to_bytes((await self._states.use(state, purpose, who))["challenge"])
        parsed = self._checked(lambda: parse_authentication_credential_json(answer), client)
        if len(parsed.raw_id) > ID_BYTES_MAX:
            raise self._refused(client, "an id that is too long")
        passkey = await self._store.credentials.passkey(bytes_to_base64url(parsed.raw_id))
        if passkey is None:
            raise self._refused(client, "an unknown passkey")
        # Only the options to sign in name no passkey, so only there the authenticator must say whose the passkey is.
        handle = parsed.response.user_handle
        if handle != passkey.user_id.encode() and (purpose is Purpose.SIGN_IN or handle is not None):
            raise self._refused(client, "a passkey that says it is somebody else's")
        verified = self._checked(
            lambda: webauthn.verify_authentication_response(
                credential=parsed,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=base64url_to_bytes(passkey.public_key),
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            ),
            client,
        )
        self._check_frame(parsed.response.client_data_json, client)
        await self._store.credentials.used_passkey(passkey.id, verified.new_sign_count, now())
        return passkey

    async def _made(self, purpose: Purpose, who: str, state: str | None, answer: Answer, client: Client) -> NewPasskey:
        """Return the passkey that a browser has made for a challenge. Raises Unauthorized if it isn't accepted."""
        challenge = base64url_to_bytes((await self._states.use(state, purpose, who))["challenge"])
        verified = self._checked(
            lambda: webauthn.verify_registration_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
                supported_pub_key_algs=ALGORITHMS,
            ),
            client,
        )
        self._check_frame(base64url_to_bytes(answer["response"]["clientDataJSON"]), client)
        if len(verified.credential_id) > ID_BYTES_MAX or len(verified.credential_public_key) > KEY_BYTES_MAX:
            raise self._refused(client, "a passkey that is too long")
        return NewPasskey(
            id=bytes_to_base64url(verified.credential_id),
            public_key=bytes_to_base64url(verified.credential_public_key),
            sign_count=verified.sign_count,
            label=device_of(client.agent),
        )

    def _check_frame(self, client_data: bytes, client: Client) -> None:
        """Raise Unauthorized if the answer was made in a frame of another site's page (`crossOrigin`)."""
        if parse_client_data_json(client_data).cross_origin:
            raise self._refused(client, "a page of another site around ours")

    def _checked(self, work: Callable[[], T], client: Client) -> T:
        """Return the result of `work`, which calls the library. Raises Unauthorized if `work` raises anything.

        The library reads what a stranger has sent: JSON in base64url, CBOR, keys and certificates. For some faults it
        raises its own errors, for others the errors of the libraries that it uses.
        """
        try:
            return work()
        except Exception as error:
            raise self._refused(client, f"{type(error).__name__}: {error}") from error

    def _refused(self, client: Client, reason: str) -> Unauthorized:
        """Return the error for an answer that isn't accepted. The reason is only logged."""
        audit_log.done("passkey.refused", reason=reason[:200], address=client.address)
        return Unauthorized(REFUSED)


def device_of(agent: str) -> str:
    """Return a name for a new passkey: the system that the browser's User-Agent names; `Passkey` if it names none."""
    return next((name for word, name in _DEVICES if re.search(rf"\b{word}\b", agent)), "Passkey")


def _descriptors(passkeys: Iterable[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(passkey.id)) for passkey in passkeys]
