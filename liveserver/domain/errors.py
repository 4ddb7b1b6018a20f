"""The errors that liveserver raises on purpose, as one tree.

LiveserverError
├── InvalidInput        input that breaks a rule; names every bad field
│   └── KeyReused       an Idempotency-Key that came with another request
├── NotFound            no such live blog, entry or key
├── Gone                it existed, and was deleted
│   └── NeverSeen       … before readers could see it
├── Conflict            the current state forbids it (a slug that is taken, one pinned entry too many …)
├── VersionConflict     the caller edited an older version than the current one
├── Unauthorized        no key, or not a valid one
├── Forbidden           a valid key that may not do this
├── EmbedRefused        a partner, or a page, that may not show the live blog
├── Unavailable         something that is needed isn't available now: try again
│   ├── StoreUnavailable    the database doesn't answer
│   ├── MediaUnavailable    the storage of pictures doesn't answer
│   │   └── MediaFull       … or has no room for more
│   └── Busy                too much is under way and waiting already
├── ClientGone          all clients that waited for an answer have left: it isn't made, and nobody is told
├── BadBackup           a file that isn't a backup, or not a complete one
├── TooManyRequests     more requests than an address or a key may send: come back later
├── Draining            this server is about to end, and takes no more viewers: come back in a moment
└── SettingsError       the server can't start with these settings

The edges turn them into HTTP answers (`http/problems.py`) and exit codes (`cli/app.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.ids import FORMER

if TYPE_CHECKING:
    from liveserver.domain.entry import Entry
    from liveserver.domain.ids import EntityVersion
    from liveserver.domain.liveblog import Liveblog
    from liveserver.domain.media import Media
    from liveserver.domain.partner import Partner


class FieldError(NamedTuple):
    """One bad field, and what is wrong with it."""

    pointer: str
    """A JSON pointer (RFC 6901) into the body, `?name` for a parameter of the query, or the name of a header."""
    detail: str


class LiveserverError(Exception):
    """Base of every error that liveserver raises on purpose."""


class InvalidInput(LiveserverError):
    """Input that breaks a rule. `errors` names every bad field, not only the first."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{pointer}: {detail}" if pointer else detail for pointer, detail in errors))
        self.errors = errors


class KeyReused(InvalidInput):
    """The Idempotency-Key was used before, with another request."""

    def __init__(self) -> None:
        super().__init__([FieldError("Idempotency-Key", "was used before with a different request")])


class NotFound(LiveserverError):
    """There is nothing of that name."""


class Gone(LiveserverError):
    """There was something of that name, and it was deleted for good."""


class NeverSeen(Gone):
    """An entry was deleted before readers could see it. For them, it never existed."""


class Conflict(LiveserverError):
    """The current state of the thing forbids the request."""


class VersionConflict(LiveserverError):
    """The version that was edited isn't the current one, which is in `current`."""

    def __init__(self, current: Entry | Liveblog | Media | Partner, detail: str | None = None) -> None:
        super().__init__(detail or f"the current version is {current.version}")
        self.current = current


def check_version(
    current: Entry | Liveblog | Media | Partner, edited: EntityVersion | None, history: str | None
) -> None:
    """Raise VersionConflict if the edited version isn't the current one. `edited`: None for whichever is current.

    `history`: the history of the current version; None for an entry, as the store compares that of its live blog.
    """
    if edited is None:
        return
    if edited.number != current.version:
        raise VersionConflict(current)
    if history is not None:
        check_history(current, edited.history, history)


def check_history(current: Entry | Liveblog | Media | Partner, edited: str | None, history: str) -> None:
    """Raise VersionConflict if the edited version is of another history. `edited`: None for whichever is current."""
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

    `unknown`, `disabled`, `expired`: the partner doesn't exist, is switched off, or its time is over. `liveblog`: it
    may not show this live blog. `origin`: the page isn't the partner's. `embedding`: the live blog's embed policy
    doesn't allow the page.
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
    """Something that is needed isn't available now. The caller may try again."""

    retry_after = 2
    """Seconds after which to try again."""


class StoreUnavailable(Unavailable):
    """The database can't be reached, or is locked or full.

    Nothing was written, unless the connection broke between the commit and its answer: repeat with the same
    Idempotency-Key to be safe.
    """


class MediaUnavailable(Unavailable):
    """The storage of pictures can't be reached, or is full, or refuses access."""


class MediaFull(MediaUnavailable):
    """There is no room for more pictures, until somebody makes some."""

    retry_after = 60


class Busy(Unavailable):
    """So much is under way and waiting that no more is begun."""


class ClientGone(LiveserverError):
    """All clients that waited for an answer have left."""


class BadBackup(LiveserverError):
    """A file that isn't a backup, is damaged, or was made by a newer liveserver. Nothing was restored from it."""


class Quota(NamedTuple):
    """A limit, in the words in which clients are told of it (draft-ietf-httpapi-ratelimit-headers-11)."""

    policy: str
    """The limit's name."""
    most: int
    """The number of units that are allowed."""
    unit: str = "requests"
    """The unit: `requests`, `content-bytes`, or `concurrent-requests` for those held at the same time."""
    window: int | None = None
    """Seconds after which a client that used up the limit has all of it again; None if time changes nothing."""


class TooManyRequests(LiveserverError):
    """An address, or an API key, sends more requests than its limit."""

    def __init__(self, detail: str, quota: Quota, retry_after: int) -> None:
        """`retry_after`: seconds after which to try again."""
        super().__init__(f"{detail}: try again in {retry_after} s")
        self.quota = quota
        self.retry_after = retry_after


class Draining(LiveserverError):
    """This server is about to end, and takes no more viewers. Another server does, or this one when it is back."""

    retry_after = 2
    """Seconds after which to try again."""


class SettingsError(LiveserverError):
    """The server can't run with these settings; the message is one line for the operator."""
