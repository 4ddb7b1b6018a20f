"""How much one address, or one API key, may ask of this process: which limits there are, and who is held to them.

Each process counts for itself, in memory. Nothing here is on the way of a delivery. Trusted proxies and exempt networks
aren't limited by address, nor is who has none (a Unix socket): better nobody is turned away than everybody who comes by
a proxy that doesn't say for whom.
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
    """A host and a port, as ASGI has the client; None for who has none."""

BURST_SECONDS = 20
"""So many seconds' worth may come at once: what a school does when a page is announced, or a node restarts."""

FAILED_KEYS_SECONDS = 60
"""The same of keys that aren't good, which are counted by the minute."""

FULL_AGAIN = 10
"""Seconds after which an address that holds as many streams as it may is asked to come back: nobody knows when one
leaves."""


WRITTEN = 16 * 1024
"""Characters of an entry that count as one more request of the key that wrote it: all of it goes to the database and to
every viewer, however little of it was changed. What most entries have counts for nothing."""

ASKED = 10
"""Requests that a deletion counts for, beside itself, whose viewers are to confirm it: each of them answers."""

REFUSALS = 50
"""Refusals a second that one address is sent, beyond as many at once as come in a fifth of `BURST_SECONDS`. A client
that asks again as soon as it is refused, on thousands of connections, would else take the processor from others."""

REFUSAL_LATEST = 5.0
"""Seconds that a refusal waits at most: no longer than a server waits for its requests when it ends."""

KEYS_KEPT = 4_096
"""Hosts whose key is remembered, as most ask for several things: to find it is half of what a limit costs a connect."""


class Limit:
    """A rate, the name under which clients are told of it, and what is said when it is exceeded."""

    __slots__ = ("_detail", "_limiter", "_name", "_seconds")

    def __init__(
        self, name: str, detail: str, rate: float, clock: Callable[[], float], seconds: int = BURST_SECONDS
    ) -> None:
        """`rate`: a second; 0 for no limit. `seconds`: how many seconds' worth may come at once."""
        self._name = name
        self._detail = detail
        self._seconds = seconds
        self._limiter = RateLimiter(rate, max(1, round(rate * seconds)), clock) if rate else None

    def take(self, key: Hashable) -> None:
        """Count one. Raises TooManyRequests."""
        if self._limiter is not None and (wait := self._limiter.take(key)):
            raise self._error(wait)

    def check(self, key: Hashable) -> None:
        """Raises TooManyRequests where one more would be too many; counts nothing."""
        if self._limiter is not None and (wait := self._limiter.wait(key)):
            raise self._error(wait)

    def owe(self, key: Hashable, events: int) -> None:
        """Count some that have happened already."""
        if self._limiter is not None and events:
            self._limiter.owe(key, events)

    def _error(self, wait: float) -> TooManyRequests:
        assert self._limiter is not None
        quota = Quota(self._name, self._limiter.burst, window=self._seconds)
        return TooManyRequests(self._detail, quota, math.ceil(wait))


class RequestLimits:
    """One process's. `clock`: seconds, of any beginning."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        names = f"{settings.forwarded_allow_ips},{settings.limit_exempt}".split(",")
        self._key_of = lru_cache(KEYS_KEPT)(partial(_key_of, Networks(names)))
        """By what a host is counted; None for one that isn't limited."""
        self._held = ConcurrencyLimiter(settings.limit_streams_held)
        said = "more {what} from this address than {most} a {unit}"

        def by_address(name: str, what: str, most: int) -> Limit:
            return Limit(name, said.format(what=what, most=most, unit="second"), most, clock)

        self._opened = by_address("streams", "streams opened", settings.limit_streams)
        self._reads = by_address("reads", "requests without a key", settings.limit_reads)
        self._pages = by_address("pages", "requests for pages", settings.limit_pages)
        self._missing = by_address("missing", "requests for pictures that aren't there", settings.limit_pages)
        most = settings.limit_failed_keys
        self._failed_keys = Limit(
            "failed-keys",
            said.format(what="API keys that aren't good", most=most, unit="minute"),
            most / FAILED_KEYS_SECONDS,
            clock,
            FAILED_KEYS_SECONDS,
        )
        self._refusals = RateLimiter(REFUSALS, REFUSALS * BURST_SECONDS // 5, clock)
        self._by_key = Limit(
            "key", f"more requests with this key than {settings.limit_by_key} a second", settings.limit_by_key, clock
        )

    def prefix_of(self, peer: Peer) -> bytes | None:
        """By what a peer's address is counted; None if it isn't limited."""
        return self._key_of(peer[0]) if peer else None

    def stream(self, peer: Peer) -> Permit | None:
        """Count a stream that is about to be opened; what it is to release at its end. Raises TooManyRequests."""
        key = self.prefix_of(peer)
        if key is None:
            return None
        self._opened.take(key)
        if not self._held.most:
            return None
        permit = self._held.acquire(key)
        if permit is None:
            most = self._held.most
            quota = Quota("streams-held", most, unit="concurrent-requests")
            raise TooManyRequests(f"this address holds {most} streams, as many as it may", quota, FULL_AGAIN)
        return permit

    def read(self, peer: Peer) -> None:
        """Count a request of the API without a key. Raises TooManyRequests."""
        self._by_address(self._reads, peer)

    def page(self, peer: Peer) -> None:
        """Count a request for a page, a feed, a card. Raises TooManyRequests."""
        self._by_address(self._pages, peer)

    def check_missing(self, peer: Peer) -> None:
        """Raises TooManyRequests if the peer's address asked for too many pictures that aren't there; counts none."""
        key = self.prefix_of(peer)
        if key is not None:
            self._missing.check(key)

    def missing(self, peer: Peer) -> None:
        """Count a request for a picture that isn't there. Raises TooManyRequests."""
        self._by_address(self._missing, peer)

    def failed_key(self, peer: Peer) -> None:
        """Count a request with a key that isn't good. Raises TooManyRequests; a good key is asked for nothing here."""
        self._by_address(self._failed_keys, peer)

    def refusal_wait(self, peer: Peer) -> float:
        """Count a refusal; the seconds until it is to be sent."""
        key = self.prefix_of(peer)
        return 0.0 if key is None else self._refusals.reserve(key, REFUSAL_LATEST)

    def with_key(self, key_id: str) -> None:
        """Count a request with a good key. Raises TooManyRequests."""
        self._by_key.take(key_id)

    def wrote(self, key_id: str, size: int) -> None:
        """Count what a request with a good key has written, in characters: its next ones wait for longer."""
        self._by_key.owe(key_id, size // WRITTEN)

    def asked_viewers(self, key_id: str) -> None:
        """Count that a request with a good key had every viewer asked for an answer."""
        self._by_key.owe(key_id, ASKED)

    def _by_address(self, limit: Limit, peer: Peer) -> None:
        key = self.prefix_of(peer)
        if key is not None:
            limit.take(key)


def _key_of(exempt: Networks, host: str) -> bytes | None:
    address = packed(host)
    return None if address is None or address in exempt else network_prefix(address)
