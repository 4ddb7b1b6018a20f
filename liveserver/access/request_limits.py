"""The limits on requests of one address, or one API key, to this process.

Each process counts for itself, in memory, and the delivery of messages isn't slowed down by it. Trusted proxies and
exempt networks aren't limited by address, nor are clients without one (a Unix socket): it is better to refuse nobody
than everybody that comes by a proxy which doesn't forward addresses.
"""

from __future__ import annotations

import math
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
    """The client's host and port, as ASGI has them; None if it has none."""

BURST_SECONDS = 20
"""Seconds whose requests may all come at once, as they do when a page is announced in a school, or a node restarts."""

FAILED_KEYS_SECONDS = 60
"""Seconds whose requests with keys that aren't valid may all come at once: their limit is set per minute."""

FULL_AGAIN = 10
"""Seconds after which an address with too many streams is asked to come back: nobody knows when one of them ends."""


WRITTEN = 16 * 1024
"""Characters of an entry that count as one more request of the key that wrote it: the whole entry goes to the database
and to every viewer, however little of it was changed. Most entries are shorter, and cost nothing more."""

ASKED = 10
"""Further requests as which a deletion counts if its viewers are asked to confirm it: each of them answers."""

REFUSALS = 50
"""Refusals a second that one address is sent, while it has no more than 500 connections. A client that asks again as
soon as it is refused, on thousands of connections, would else take the processor from others."""
REFUSALS_AT_ONCE = 200
"""Refusals of one address that may come at once before that."""

REFUSAL_REST_MAX = 10.0
"""Seconds that a connection rests at most after a refusal, as somebody may be waiting there who did nothing wrong. An
address with many connections is therefore refused more often: with 2,000 of them 200 times a second."""

KEYS_KEPT = 4_096
"""Hosts whose limiter key is remembered, as most clients send several requests: computing the key is half of what the
limits cost a new connection."""


class Limit:
    """A rate, the name under which clients are told of it, and the text of its refusals."""

    __slots__ = ("_detail", "_limiter", "_name", "_seconds")

    def __init__(
        self, name: str, detail: str, rate: float, clock: Callable[[], float], seconds: int = BURST_SECONDS
    ) -> None:
        """`detail`: the text of refusals. `rate`: events a second; 0 for no limit. `clock`: returns seconds.

        `seconds`: as many events as are allowed in that time may come at once.
        """
        self._name = name
        self._detail = detail
        self._seconds = seconds
        self._limiter = RateLimiter(rate, max(1, round(rate * seconds)), clock) if rate else None

    def take(self, key: Hashable) -> None:
        """Count one event of the key. Raises TooManyRequests, and counts nothing, if it is one too many."""
        if self._limiter is not None and (wait := self._limiter.take(key)):
            raise self._error(wait)

    def check(self, key: Hashable) -> None:
        """Raise TooManyRequests if one more event would be too many; count nothing."""
        if self._limiter is not None and (wait := self._limiter.wait(key)):
            raise self._error(wait)

    def owe(self, key: Hashable, events: int) -> None:
        """Count events that have happened already, even if they are too many."""
        if self._limiter is not None and events:
            self._limiter.owe(key, events)

    def _error(self, wait: float) -> TooManyRequests:
        assert self._limiter is not None
        quota = Quota(self._name, self._limiter.burst, window=self._seconds)
        return TooManyRequests(self._detail, quota, math.ceil(wait))


class RequestLimits:
    """One process's limits on requests. `clock`: returns seconds since any fixed moment."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        names = f"{settings.forwarded_allow_ips},{settings.limit_exempt}".split(",")
        self._key_of = lru_cache(KEYS_KEPT)(partial(_key_of, Networks(names)))
        """Returns the key by which a host is counted: its network prefix; None if it isn't limited."""
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
        self._refusals = RateLimiter(REFUSALS, REFUSALS_AT_ONCE, clock)
        self._by_key = Limit(
            "key", f"more requests with this key than {settings.limit_by_key} a second", settings.limit_by_key, clock
        )

    def prefix_of(self, peer: Peer) -> bytes | None:
        """Return the network prefix by which a peer's requests are counted; None if it isn't limited by address."""
        return self._key_of(peer[0]) if peer else None

    def stream(self, peer: Peer) -> Permit | None:
        """Count a stream that is about to be opened. Return the permit to release at its end; None if it needs none.

        Raises TooManyRequests.
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
        """Count a request of the API without a key. Raises TooManyRequests."""
        self._by_address(self._reads, peer)

    def page(self, peer: Peer) -> None:
        """Count a request for a page, a feed or a share card. Raises TooManyRequests."""
        self._by_address(self._pages, peer)

    def check_missing(self, peer: Peer) -> None:
        """Raise TooManyRequests if the peer's address asked for too many pictures that don't exist; count nothing."""
        key = self.prefix_of(peer)
        if key is not None:
            self._missing.check(key)

    def missing(self, peer: Peer) -> None:
        """Count a request for a picture that doesn't exist. Raises TooManyRequests."""
        self._by_address(self._missing, peer)

    def failed_key(self, peer: Peer) -> None:
        """Count a request with a key that isn't valid. Raises TooManyRequests; valid keys are never refused by it."""
        self._by_address(self._failed_keys, peer)

    def refusal_wait(self, peer: Peer) -> float:
        """Count a refusal, and return the seconds until the next request of the same connection is to be read."""
        key = self.prefix_of(peer)
        return 0.0 if key is None else self._refusals.reserve(key, REFUSAL_REST_MAX)

    def with_key(self, key_id: str) -> None:
        """Count a request with a valid key. Raises TooManyRequests."""
        self._by_key.take(key_id)

    def wrote(self, key_id: str, size: int) -> None:
        """Count the characters that a request with this key has written: further requests have to wait longer."""
        self._by_key.owe(key_id, size // WRITTEN)

    def asked_viewers(self, key_id: str) -> None:
        """Count a deletion with this key for which all viewers are asked to answer."""
        self._by_key.owe(key_id, ASKED)

    def _by_address(self, limit: Limit, peer: Peer) -> None:
        key = self.prefix_of(peer)
        if key is not None:
            limit.take(key)


def _key_of(exempt: Networks, host: str) -> bytes | None:
    address = packed(host)
    return None if address is None or address in exempt else network_prefix(address)
