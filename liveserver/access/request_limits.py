"""The limits on the requests that one address, one API key or one user sends to this process.

Each process counts for itself, in memory. The delivery of messages to viewers isn't counted. Three sorts of clients
aren't limited by address: trusted proxies, networks that the operator exempts, and clients without an address (on a
Unix socket). If a trusted proxy doesn't forward its clients' addresses, all its clients have the proxy's address. A
limit on this address would refuse all these clients, so the address isn't limited.
"""

from __future__ import annotations

import math
import random
import time
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from liveserver.domain.errors import Quota, TooManyRequests
from liveserver.utils.limits.addresses import Networks, network_prefix, packed
from liveserver.utils.limits.concurrency_limiter import ConcurrencyLimiter
from liveserver.utils.limits.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from liveserver.settings import Settings
    from liveserver.utils.limits.concurrency_limiter import Permit

    Peer = tuple[str, int] | None
    """The client's host and port, as ASGI has them; None if the client has no address."""

BURST_SECONDS = 20
"""The burst of a limit, in seconds. All requests that the limit allows in this time may come at once. Many requests
come at once, for example, when a class in a school opens a page, or when a node restarts."""

FAILED_KEYS_SECONDS = 60
"""The burst of two limits, in seconds: on requests with an invalid API key, and on tries to sign in. All requests that
the limit allows in this time may come at once. (The settings of the two limits are numbers per minute.)"""

FULL_AGAIN = 10
"""Seconds of the `Retry-After` header for an address with too many streams: nobody knows when one of the streams will
end."""


WRITTEN = 16 * 1024
"""The number of characters of an entry's body for which one more request is counted. A body of 40,000 characters, for
example, counts as two more requests: the length is divided by this number and rounded down. The reason is that the
whole entry goes to the database and to every viewer, even if only a word was changed. Most entries have fewer
characters, so writing them counts as one request only."""

ASKED = 10
"""The number of requests that are counted in addition for a deletion that asks all viewers for a confirmation. (The
answers of the viewers are work for the server.)"""

REFUSALS = 50
"""The greatest number of refusals a second that the server sends to one address. Some clients ask again as soon as they
are refused. Without this limit, such a client with thousands of connections would leave other clients little processor
time. An address with very many connections is sent more refusals: see `REFUSAL_REST_MAX`."""
REFUSALS_AT_ONCE = 200
"""The number of refusals that the server may send to one address all at once. After these, `REFUSALS` limits them."""

REFUSAL_REST_MAX = 10.0
"""The greatest number of seconds for which the server reads nothing from a connection after a refusal. The pause isn't
longer, as the connection may be an innocent client's. So an address with many connections is sent more refusals than
`REFUSALS`: with 2,000 connections, some 270 a second."""

HOSTS_KEPT = 4_096
"""The greatest number of hosts whose network prefixes are remembered. Most clients send several requests, and
computing a prefix takes half of the time that the limits take for a new connection."""


class Limit:
    """A limit on the rate of one sort of events, for each key.

    A key is an address prefix, an API key or user (`Principal.ref`), a session, or a name with which somebody tries to
    sign in.
    """

    __slots__ = ("_detail", "_limiter", "_name", "_seconds")

    def __init__(
        self, name: str, detail: str, rate: float, clock: Callable[[], float], seconds: int = BURST_SECONDS
    ) -> None:
        """`name`: the limit's name in answers to clients. `detail`: the text of refusals.

        `rate`: events a second; 0 for no limit. `clock`: returns seconds. `seconds`: all events that the rate allows in
        this time may come at once.
        """
        self._name = name
        self._detail = detail
        self._seconds = seconds
        self._limiter = RateLimiter(rate, max(1, round(rate * seconds)), clock) if rate else None

    def take(self, key: Hashable) -> None:
        """Count one event of the key. If it exceeds the limit, counts nothing and raises TooManyRequests."""
        if self._limiter is not None and (wait := self._limiter.take(key)):
            raise self._error(wait)

    def check(self, key: Hashable) -> None:
        """Raise TooManyRequests if one more event of the key would exceed the limit. Nothing is counted."""
        if self._limiter is not None and (wait := self._limiter.wait(key)):
            raise self._error(wait)

    def owe(self, key: Hashable, events: int) -> None:
        """Count events of the key that have happened already, even if they exceed the limit.

        Call `take` before this: nothing is counted for a key that the limit doesn't know.
        """
        if self._limiter is not None and events:
            self._limiter.owe(key, events)

    def give_back(self, key: Hashable) -> None:
        """Uncount an event of the key that `take` has counted."""
        if self._limiter is not None:
            self._limiter.give_back(key)

    def _error(self, wait: float) -> TooManyRequests:
        assert self._limiter is not None
        quota = Quota(self._name, self._limiter.burst, window=self._seconds)
        return TooManyRequests(self._detail, quota, math.ceil(wait))


class RequestLimits:
    """One process's limits on requests. `clock`: a function that returns the seconds since any fixed moment."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        names = f"{settings.forwarded_allow_ips},{settings.limit_exempt}".split(",")
        self._prefix_of = lru_cache(HOSTS_KEPT)(partial(_prefix_of, Networks(names)))
        """A function that returns the network prefix by which a host is counted; None if the host isn't limited."""
        self._held = ConcurrencyLimiter(settings.limit_streams_held)
        template = "more {requests} from this address than {limit} a {unit}"

        def by_address(name: str, requests: str, limit: int) -> Limit:
            return Limit(name, template.format(requests=requests, limit=limit, unit="second"), limit, clock)

        self._opened = by_address("streams", "streams opened", settings.limit_streams)
        self._reads = by_address("reads", "requests without a key", settings.limit_reads)
        self._pages = by_address("pages", "requests for pages", settings.limit_pages)
        self._missing = by_address("missing", "requests for pictures that aren't there", settings.limit_pages)
        limit = settings.limit_failed_keys
        self._failed_keys = Limit(
            "failed-keys",
            template.format(requests="API keys that aren't good", limit=limit, unit="minute"),
            limit / FAILED_KEYS_SECONDS,
            clock,
            FAILED_KEYS_SECONDS,
        )
        limit = settings.limit_sign_in
        self._sign_in = Limit(
            "sign-in",
            template.format(requests="tries to sign in", limit=limit, unit="minute"),
            limit / FAILED_KEYS_SECONDS,
            clock,
            FAILED_KEYS_SECONDS,
        )
        self._refusals = RateLimiter(REFUSALS, REFUSALS_AT_ONCE, clock)
        self._by_principal = Limit(
            "key",
            f"more requests of this user or key than {settings.limit_by_key} a second",
            settings.limit_by_key,
            clock,
        )

    def prefix_of(self, peer: Peer) -> bytes | None:
        """Return the network prefix by which a peer's requests are counted; None if they aren't limited by address."""
        return self._prefix_of(peer[0]) if peer else None

    def key_of(self, peer: Peer) -> Hashable:
        """Return what tells the peer's address from others: its network prefix or, if it isn't limited, all of it.

        Returns None if the peer has no address.
        """
        if peer is None:
            return None
        prefix = self.prefix_of(peer)
        return peer[0] if prefix is None else prefix

    def stream(self, peer: Peer) -> Permit | None:
        """Count a stream that the peer is about to open.

        Returns the permit that the caller must release when the stream ends; None if the peer or the number of streams
        isn't limited. Raises TooManyRequests if the address opens streams too often, or has too many open.
        """
        key = self.prefix_of(peer)
        if key is None:
            return None
        self._opened.take(key)
        if not self._held.most:
            return None
        permit = self._held.acquire(key)
        if permit is None:
            limit = self._held.most
            quota = Quota("streams-held", limit, unit="concurrent-requests")
            raise TooManyRequests(f"this address holds {limit} streams, as many as it may", quota, FULL_AGAIN)
        return permit

    def read(self, peer: Peer) -> None:
        """Count a request to the API for its address. Raises TooManyRequests if the address sends too many requests.

        Not called for requests that count for an API key or a user (`by_principal`).
        """
        self._by_address(self._reads, peer)

    def page(self, peer: Peer) -> None:
        """Count a request for a page, a feed or a share card. Raises TooManyRequests if the address sends too many."""
        self._by_address(self._pages, peer)

    def check_missing(self, peer: Peer) -> None:
        """Raise TooManyRequests if the address asked for too many pictures that don't exist. Nothing is counted."""
        key = self.prefix_of(peer)
        if key is not None:
            self._missing.check(key)

    def missing(self, peer: Peer) -> None:
        """Count a request for a picture that doesn't exist. Raises TooManyRequests if the address sends too many."""
        self._by_address(self._missing, peer)

    def failed_key(self, peer: Peer) -> None:
        """Count a request whose API key isn't valid. Raises TooManyRequests if the address sends too many.

        Requests with a valid key aren't counted, and never refused by this limit.
        """
        self._by_address(self._failed_keys, peer)

    def sign_in(self, peer: Peer) -> None:
        """Count a try to sign in. Raises TooManyRequests if the address tries too often."""
        self._by_address(self._sign_in, peer)

    def refusal_wait(self, peer: Peer) -> float:
        """Count a refusal for the peer's address. Return for how many seconds the connection mustn't be read.

        Returns 0 while the refusals don't exceed `REFUSALS` and `REFUSALS_AT_ONCE`, and for peers that aren't limited.
        """
        key = self.prefix_of(peer)
        if key is None:
            return 0.0
        seconds = self._refusals.reserve(key, REFUSAL_REST_MAX)
        # The random seconds keep the pauses of many connections from ending all at the same time.
        return seconds if seconds < REFUSAL_REST_MAX else random.uniform(REFUSAL_REST_MAX / 2, REFUSAL_REST_MAX)

    def by_principal(self, ref: str) -> None:
        """Count a request of an API key or a user. Raises TooManyRequests if this API key or user sends too many.

        `ref`: the `Principal.ref` of the API key or user.
        """
        self._by_principal.take(ref)

    def wrote(self, ref: str, size: int) -> None:
        """Count more requests of an API key or a user that wrote an entry: one for each `WRITTEN` characters in it.

        `ref`: see `by_principal`. `size`: the number of characters of the entry's body.
        """
        self._by_principal.owe(ref, size // WRITTEN)

    def asked_viewers(self, ref: str) -> None:
        """Count `ASKED` more requests, for a deletion that asks all viewers for a confirmation.

        `ref`: the API key or user that deleted the entry (see `by_principal`).
        """
        self._by_principal.owe(ref, ASKED)

    def _by_address(self, limit: Limit, peer: Peer) -> None:
        key = self.prefix_of(peer)
        if key is not None:
            limit.take(key)


def _prefix_of(exempt: Networks, host: str) -> bytes | None:
    address = packed(host)
    return None if address is None or address in exempt else network_prefix(address)
