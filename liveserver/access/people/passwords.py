"""Passwords: the rules for new ones, and their hashes (Argon2id, RFC 9106).

Hashing a password takes some 50 ms and 46 MiB on purpose, so that whoever has stolen the database can't guess fast. It
runs in THREADS threads: otherwise strangers could keep the machine busy. Clients take turns by address, so that a
stranger with a few addresses keeps nobody else from signing in. Users who have a session come first.
"""

from __future__ import annotations

import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from liveserver.access.people.common_passwords import is_common
from liveserver.domain.errors import Busy, FieldError, InvalidInput
from liveserver.domain.people.user import login_of
from liveserver.utils.limits.refusals import Reason, refusals
from liveserver.utils.limits.turns import Room, Turns

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from liveserver.utils.limits.turns import Place

LENGTH_MIN = 10
LENGTH_MAX = 200
"""The least and the greatest length of a password, in characters."""
DISTINCT_MIN = 5
"""The least number of different characters in a password."""
THREADS = 2
"""The greatest number of passwords that are hashed at the same time."""
PER_ADDRESS = 5
"""How many passwords of one address may be hashed or wait for it. Further ones are refused with Busy."""
WAITING_MAX = 30
"""How many passwords of all addresses together may be hashed or wait for it: a second of work.

If so many wait, an address of which no password waits may have one nevertheless."""
ADDRESSES_MAX = 100
"""How many passwords may be hashed or wait for it in all, with those: two or three seconds of work. With the tries that
an address has (`LIVESERVER_LIMIT_SIGN_IN`), a hundred addresses can't keep these places filled for long."""
PER_USER = 2
USERS_MAX = 20
"""How many more passwords of users who have a session may be hashed or wait for it: of one user, and of all."""

MEMORY = 46 * 1024
"""The memory that hashing takes, in KiB: the first choice in OWASP's Password Storage Cheat Sheet."""


class BadPassword(InvalidInput):
    """The new password isn't allowed. `reason` names the rule: `length`, `guessable`, `name` or `same`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__([FieldError("/password", detail)])
        self.reason = reason


def normalised(password: str) -> str:
    """Return a password in the form in which it is hashed (NFC).

    Keyboards differ in how they write an accented letter: as one character, or as a letter and an accent.
    """
    return unicodedata.normalize("NFC", password)


def check_new(password: str, name: str, *, present: str | None = None) -> None:
    """Raise BadPassword if a new password is too easy to guess, or too long, or if it is the present one.

    `name`: the user's name. `present`: the user's present password; None for a user who has none, or has lost it.
    """
    password = normalised(password)
    if present is not None and password == normalised(present):
        raise BadPassword("same", "must not be the present one")
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise BadPassword("length", f"must have {LENGTH_MIN} to {LENGTH_MAX} characters: a sentence is a good one")
    if len(set(password)) < DISTINCT_MIN or is_common(password):
        raise BadPassword("guessable", "is too easy to guess")
    if login_of(name) in login_of(password) and len(password) < 2 * len(name):
        raise BadPassword("name", "must not be the name")


class Passwords:
    """The hashing of passwords, in a few threads, for which clients take turns."""

    def __init__(self) -> None:
        self._hasher = _Hasher()
        self._of_users = Room(per_line=PER_USER, in_all=USERS_MAX, one_each=USERS_MAX)
        self._of_strangers = Room(per_line=PER_ADDRESS, in_all=WAITING_MAX, one_each=ADDRESSES_MAX)
        self._turns = Turns(THREADS, self._of_users, self._of_strangers)

    @contextmanager
    def place_of_address(self, key: Hashable, *, crowd: bool) -> Iterator[PlaceToHash]:
        """Hold a place for the passwords of a client that has no session. Raises Busy if there is none.

        `key`: what the client's address is counted by. `crowd`: True if very many clients may have this address.
        """
        with self._held(self._turns.place(self._of_strangers, key, crowd=crowd)) as place:
            yield place

    @contextmanager
    def place_of_user(self, user_id: str) -> Iterator[PlaceToHash]:
        """Hold a place for the passwords of a user who has a session. Raises Busy if there is none."""
        with self._held(self._turns.place(self._of_users, user_id)) as place:
            yield place

    @contextmanager
    def _held(self, place: Place | None) -> Iterator[PlaceToHash]:
        if place is None:
            refusals.note(Reason.BUSY, waiting=self._of_users.held + self._of_strangers.held)
            raise Busy("so many people are signing in that no other is begun")
        try:
            yield PlaceToHash(self._hasher, place)
        finally:
            place.release()


class PlaceToHash:
    """A place in the queue of passwords. Its holder may have passwords hashed, one after the other."""

    def __init__(self, hasher: _Hasher, place: Place) -> None:
        self._hasher = hasher
        self._place = place

    async def hash(self, password: str) -> str:
        """Return the hash of a password, with its algorithm and parameters."""
        async with self._place.turn():
            return await self._hasher.hash(password)

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Return True if the password has this hash.

        `hashed`: None if there is no such user, or the user has no password. The result is then False. It takes as much
        time as a wrong password does, so that the time doesn't tell which users exist. A password that isn't
        `normalised` is then tried as it was typed, too: hashes that earlier versions made are of such passwords.
        """
        async with self._place.turn():
            return await self._hasher.verify(password, hashed)


class _Hasher:
    """The threads in which passwords are hashed."""

    def __init__(self) -> None:
        self._hasher = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=MEMORY, parallelism=1),))
        self._threads = CapacityLimiter(THREADS)
        self._nobody: str | None = None
        """The hash that is checked if a user has none. It is made at its first use."""

    async def hash(self, password: str) -> str:
        return await to_thread.run_sync(lambda: self._hasher.hash(normalised(password)), limiter=self._threads)

    async def verify(self, password: str, hashed: str | None) -> bool:
        return await to_thread.run_sync(lambda: self._verify(password, hashed), limiter=self._threads)

    def _verify(self, password: str, hashed: str | None) -> bool:
        if hashed is None:
            self._nobody = self._nobody or self._hasher.hash("nobody")
        forms = dict.fromkeys((normalised(password), password))
        try:
            right = any(self._hasher.verify(form, hashed or self._nobody or "") for form in forms)
            return right and hashed is not None
        except PwdlibError:
            return False
