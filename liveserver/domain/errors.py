"""What can go wrong, as one tree.

LiveserverError
├── InvalidInput        input that breaks a rule; names every bad field
│   └── KeyReused       an Idempotency-Key that came with another request
├── NotFound            no such live blog, entry or key
├── Gone                it was there, and was deleted
│   └── NeverSeen       … before readers could see it
├── Conflict            the state of the thing forbids it (a slug that is taken, one pinned entry too many …)
├── VersionConflict     the caller edited an older version than the current one
├── Unauthorized        no key, or not a valid one
├── Forbidden           a valid key that may not do this
├── EmbedRefused        a partner, or a page, that may not show the live blog
├── Unavailable         something that is needed can't be had now: try again
│   ├── StoreUnavailable    the database doesn't answer
│   ├── MediaUnavailable    where pictures are kept doesn't answer
│   │   └── MediaFull       … or has no room for more
│   └── Busy                too much of it is going on already
├── ClientGone          nobody waits for what was asked for: it isn't done, and nobody is told
├── BadBackup           a file that isn't a backup, or not a whole one
├── TooManyRequests     more than an address or a key may ask for: come back later
├── Draining            this server is about to end, and takes no more viewers: come back in a moment
└── SettingsError       the server can't start on these settings

The edges map them to HTTP (`http/problems.py`) and to exit codes (`cli/app.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.ids import FORMER

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.domain.ids import Edition
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.media import Media
    from liveserver.domain.partner import Partner


class FieldError(NamedTuple):
    """One bad field and what is wrong: a JSON pointer (RFC 6901) into the body, `?name` of the query, or a header."""

    pointer: str
    detail: str


class LiveserverError(Exception):
    """Base of every error that liveserver raises on purpose."""


class InvalidInput(LiveserverError):
    """Input that breaks a rule. `errors` names every bad field, not the first only."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{pointer}: {detail}" if pointer else detail for pointer, detail in errors))
        self.errors = errors


class KeyReused(InvalidInput):
    """The Idempotency-Key was used before, with another request."""

    def __init__(self) -> None:
        super().__init__([FieldError("Idempotency-Key", "was used before with a different request")])


class NotFound(LiveserverError):
    """Nothing of that name."""


class Gone(LiveserverError):
    """It was deleted, and stays so."""


class NeverSeen(Gone):
    """It was deleted before readers could see it: to them there is nothing, as there wasn't before."""


class Conflict(LiveserverError):
    """The current state of the thing forbids what was asked."""


class VersionConflict(LiveserverError):
    """`If-Match` named another version than the current one, which is carried along."""

    def __init__(self, current: Entry | Liveblog | Media | Partner, detail: str | None = None) -> None:
        super().__init__(detail or f"the current version is {current.version}")
        self.current = current


def check_version(current: Entry | Liveblog | Media | Partner, edited: Edition | None, history: str | None) -> None:
    """Raises VersionConflict if what was edited is another version than the current one (None: whichever is).

    `history`: the one that the current version counts in. None: of an entry, whose live blog the store compares.
    """
    if edited is None:
        return
    if edited.number != current.version:
        raise VersionConflict(current)
    if history is not None:
        check_history(current, edited.history, history)


def check_history(current: Entry | Liveblog | Media | Partner, edited: str | None, history: str) -> None:
    """Raises VersionConflict if what was edited is of another history than the current one (None: of whichever is)."""
    if edited == FORMER:
        raise VersionConflict(current, "the ETag is of a form that doesn't say of which history: read it again")
    if edited is not None and edited != history:
        raise VersionConflict(current, "it was read before a backup was restored, which may have another version of it")


class Unauthorized(LiveserverError):
    """No API key, or one that is malformed, unknown, expired or revoked."""


class Forbidden(LiveserverError):
    """The key is valid but lacks the scope, or is limited to other live blogs."""


class EmbedRefused(LiveserverError):
    """A partner that may not show the live blog (any more), or a page that may not. `reason` is one word for programs.

    `unknown`, `disabled`, `expired`: of the partner. `liveblog`: not one of its live blogs. `origin`: the page isn't
    the partner's. `embedding`: the live blog's own setting doesn't allow the page.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_REFUSALS[reason])
        self.reason = reason


_REFUSALS = {
    "unknown": "there is no such partner",
    "disabled": "the partner has been switched off",
    "expired": "the partner's time is over",
    "liveblog": "the partner may not show this live blog",
    "origin": "pages of this origin are not the partner's",
    "embedding": "pages of this origin may not show this live blog",
}


class Unavailable(LiveserverError):
    """Something that is needed can't be had now. The caller may try again."""

    retry_after = 2
    """Seconds after which to try again."""


class StoreUnavailable(Unavailable):
    """The database can't be reached, or is locked or full.

    Nothing was written, unless the connection broke between the commit and its answer: repeat with the same
    Idempotency-Key to be safe.
    """


class MediaUnavailable(Unavailable):
    """Where pictures are kept can't be reached, or is full, or refuses us."""


class MediaFull(MediaUnavailable):
    """There is no room for more pictures. Somebody has to make some."""

    retry_after = 60


class Busy(Unavailable):
    """So much of it is going on, and waiting, that no more is taken on."""


class ClientGone(LiveserverError):
    """Who asked for it doesn't wait for it any more, and nobody else does."""


class BadBackup(LiveserverError):
    """A file that isn't a backup, is damaged, or was made by a newer liveserver. Nothing was restored from it."""


class Quota(NamedTuple):
    """How much one may ask for, as clients are told (draft-ietf-httpapi-ratelimit-headers-11)."""

    policy: str
    """Its name."""
    most: int
    unit: str = "requests"
    """What is counted: `requests`, `content-bytes`, or `concurrent-requests` for what is held at once."""
    window: int | None = None
    """Seconds in which as many may come again, once they all came; None: it isn't a matter of time."""


class TooManyRequests(LiveserverError):
    """An address, or an API key, asks for more than its share."""

    def __init__(self, detail: str, quota: Quota, retry_after: int) -> None:
        """`retry_after`: seconds after which to try again."""
        super().__init__(f"{detail}: try again in {retry_after} s")
        self.quota = quota
        self.retry_after = retry_after


class Draining(LiveserverError):
    """This server is about to end, and takes no more viewers. Another one does, or this one when it is back."""

    retry_after = 2
    """Seconds after which to try again."""


class SettingsError(LiveserverError):
    """The server can't run on these settings; the message is one line for the operator."""
