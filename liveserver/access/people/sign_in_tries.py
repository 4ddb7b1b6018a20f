"""The limits on tries of passwords: by user name for those who sign in, by session for those who have done so.

A stranger may try any name, and so use up its tries. Therefore those of users who are signed in, and only prove again
who they are, aren't counted by name. Nor does it keep users from signing in at an address at which they have signed in
before, as far as this process remembers.

Only wrong passwords count. A try that was right, or that couldn't be checked, is given back.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from liveserver.access.request_limits import Limit
from liveserver.domain.errors import Unauthorized
from liveserver.utils.lru_cache import LruCache

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

TRIES_SECONDS = 600
"""Seconds within which a user name, or a session, whose tries are used up gets all of them back, evenly."""
TRIES = 10
TRIES_OF_ALL = 100
"""How many tries of one user name may come at once: `TRIES` from one address, `TRIES_OF_ALL` from all addresses
together. `TRIES` may come of one session."""
KNOWN_MAX = 10_000
"""The number of pairs of a name and an address that a process remembers because the name's user has signed in there."""


class SignInTries:
    """The tries of passwords that came to this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        def limit(name: str, tries: int, what: str) -> Limit:
            detail = f"more than {tries} tries {what} in {TRIES_SECONDS // 60} minutes"
            return Limit(name, detail, tries / TRIES_SECONDS, clock, TRIES_SECONDS)

        self._by_name_here = limit("sign-in-name", TRIES, "of this name from this address")
        self._by_name = limit("sign-in-names", TRIES_OF_ALL, "of this name")
        self._by_session = limit("sign-in-session", TRIES, "of a password in this session")
        self._known: LruCache[tuple[str, Hashable], bool] = LruCache(KNOWN_MAX)

    @contextmanager
    def of_name(self, login: str, address: Hashable) -> Iterator[None]:
        """Count a try to sign in, if this context ends with Unauthorized.

        `login`: the name, as `login_of` makes it. `address`: what the client's address is counted by; None if it isn't
        known. Such clients can't be told apart, so they are only counted all together.

        Raises TooManyRequests if the name was tried too often.
        """
        here = (login, address)
        with (
            _counted(self._by_name_here, here, unless=address is None),
            _counted(self._by_name, login, unless=here in self._known),
        ):
            yield
        if address is not None:
            self._known.put(here, True, 1)

    @contextmanager
    def of_session(self, digest: str) -> Iterator[None]:
        """Count a try of a user who is signed in, if this context ends with Unauthorized.

        `digest`: the hash of the session's token. Raises TooManyRequests if the session has tried too often.
        """
        with _counted(self._by_session, digest):
            yield


@contextmanager
def _counted(limit: Limit, key: Hashable, *, unless: bool = False) -> Iterator[None]:
    """Count an event if this context ends with Unauthorized. While the context lasts, the event is counted.

    `unless`: True to count nothing. Raises TooManyRequests.
    """
    if unless:
        yield
        return
    limit.take(key)
    try:
        yield
    except Unauthorized:
        raise
    except BaseException:
        limit.give_back(key)
        raise
    limit.give_back(key)
