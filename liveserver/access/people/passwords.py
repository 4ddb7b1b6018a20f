"""Passwords: the rules for new ones, and their hashes (Argon2id, RFC 9106).

Hashing a password takes some 50 ms and 46 MiB on purpose, so that whoever has stolen the database can't guess fast. It
runs in THREADS threads, for which at most WAITING_MAX passwords wait: otherwise strangers could keep the machine busy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import CapacityLimiter, to_thread
from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from liveserver.access.people.common_passwords import is_common
from liveserver.domain.errors import Busy, FieldError, InvalidInput
from liveserver.domain.people.user import login_of
from liveserver.utils.limits.refusals import Reason, refusals

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LENGTH_MIN = 10
LENGTH_MAX = 200
"""The least and the greatest length of a password, in characters."""
DISTINCT_MIN = 5
"""The least number of different characters in a password."""
THREADS = 2
"""The greatest number of passwords that are hashed at the same time."""
WAITING_MAX = 30
"""How many passwords may wait for a thread: a second or two of work. Further ones are refused with Busy."""

MEMORY = 46 * 1024
"""The memory that hashing takes, in KiB: the first choice in OWASP's Password Storage Cheat Sheet."""


class BadPassword(InvalidInput):
    """The new password isn't allowed. `reason` names the rule: `length`, `guessable`, `name` or `same`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__([FieldError("/password", detail)])
        self.reason = reason


def check_new(password: str, name: str, *, present: str | None = None) -> None:
    """Raise BadPassword if a new password is too easy to guess, or too long, or if it is the present one.

    `name`: the user's name. `present`: the user's present password; None for a user who has none, or has lost it.
    """
    if password == present:
        raise BadPassword("same", "must not be the present one")
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise BadPassword("length", f"must have {LENGTH_MIN} to {LENGTH_MAX} characters: a sentence is a good one")
    if len(set(password)) < DISTINCT_MIN or is_common(password):
        raise BadPassword("guessable", "is too easy to guess")
    if login_of(name) in login_of(password) and len(password) < 2 * len(name):
        raise BadPassword("name", "must not be the name")


class Passwords:
    """The hashing of passwords, in a few threads."""

    def __init__(self) -> None:
        self._hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=MEMORY, parallelism=1),))
        self._threads = CapacityLimiter(THREADS)
        self._inside = 0
        self._nobody: str | None = None
        """The hash that is checked if a user has none. It is made at its first use."""

    async def hash(self, password: str) -> str:
        """Return the hash of a password, with its algorithm and parameters. Raises Busy."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Return True if the password has this hash. Raises Busy.

        `hashed`: None if there is no such user, or the user has no password. The result is then False. It takes as much
        time as a wrong password does, so that the time doesn't tell which users exist.
        """
        return await self._run(lambda: self._verify(password, hashed))

    def _verify(self, password: str, hashed: str | None) -> bool:
        if hashed is None:
            self._nobody = self._nobody or self._hasher.hash("nobody")
        try:
            return self._hasher.verify(password, hashed or self._nobody or "") and hashed is not None
        except PwdlibError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._inside >= THREADS + WAITING_MAX:
            refusals.note(Reason.BUSY, waiting=self._inside)
            raise Busy("so many people are signing in that no other is begun")
        self._inside += 1
        try:
            return await to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._inside -= 1
