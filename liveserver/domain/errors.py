"""The errors that liveserver raises on purpose. Their classes are one tree:

LiveserverError
├── InvalidInput        input that breaks a rule; the error names every bad field
│   └── KeyReused       an Idempotency-Key that came with another request
├── NotFound            there is no such live blog, entry, key …
├── Gone                the entry or picture existed, and was deleted
│   └── NeverSeen       the entry was deleted before readers could see it
├── Conflict            the current state forbids the request (a slug that is taken, too many pinned entries …)
├── VersionConflict     the caller edited another version than the current one
├── Unauthorized        no API key, or an API key that isn't valid
├── Forbidden           a valid API key, or a session, that doesn't allow the request
│   └── OtherSite           a request to the desk that no page of the desk's own has sent
├── EmbedRefused        a partner, or a page, that may not show the live blog
├── Unavailable         something that the request needs isn't available now: try again
│   ├── StoreUnavailable    the database doesn't answer
│   ├── MediaUnavailable    the storage of pictures doesn't answer
│   │   └── MediaFull       the storage of pictures is full
│   └── Busy                too much work is under way or waiting already
├── ClientGone          all clients that waited for an answer have disconnected: the answer isn't made
├── BadBackup           a file that isn't a backup, or isn't complete
├── TooManyRequests     more requests than an address or a key may send: try again later
├── Draining            this server is about to end, and accepts no more viewers: try again soon
└── SettingsError       the server can't start with these settings

The errors become HTTP answers in `http/problems.py`, and exit codes of commands in `cli/app.py`.
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
    from liveserver.domain.people.user import User


class FieldError(NamedTuple):
    """One bad field of an input, and in words what is wrong with the field."""

    pointer: str
    """The field: a JSON pointer (RFC 6901) into the body, `?name` for a parameter of the query, or a header's name."""
    detail: str


class LiveserverError(Exception):
    """Base of every error that liveserver raises on purpose."""


class InvalidInput(LiveserverError):
    """Input that breaks a rule. `errors` has all bad fields, not only the first."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{pointer}: {detail}" if pointer else detail for pointer, detail in errors))
        self.errors = errors


class KeyReused(InvalidInput):
    """The request's Idempotency-Key was used before, with a different request."""

    def __init__(self) -> None:
        super().__init__([FieldError("Idempotency-Key", "was used before with a different request")])


class NotFound(LiveserverError):
    """The request names a live blog, entry, picture, partner or key that doesn't exist."""


class Gone(LiveserverError):
    """The request names an entry or picture that was deleted permanently."""


class NeverSeen(Gone):
    """The entry was deleted before readers could see it. Readers must not learn that it existed."""


class Conflict(LiveserverError):
    """The current state of the live blog, entry or other thing forbids the request."""


class VersionConflict(LiveserverError):
    """The version that the caller has edited isn't the current one. `current`: the entry, live blog, picture or partner
    in its current version."""

    def __init__(self, current: Entry | Liveblog | Media | Partner | User, detail: str | None = None) -> None:
        super().__init__(detail or f"the current version is {current.version}")
        self.current = current


def check_version(
    current: Entry | Liveblog | Media | Partner | User, edited: EntityVersion | None, history: str | None
) -> None:
    """Raise VersionConflict if the version that the caller has edited isn't the current one.

    `current`: the entry, live blog, picture, partner or user as it is now. `edited`: the version that the caller has
    edited; None to allow any version. `history`: the name of the history that the current version belongs to. None for
    an entry: for entries, the store compares the histories.
    """
    if edited is None:
        return
    if edited.number != current.version:
        raise VersionConflict(current)
    if history is not None:
        check_history(current, edited.history, history)


def check_history(current: Entry | Liveblog | Media | Partner | User, edited: str | None, history: str) -> None:
    """Raise VersionConflict if the version that the caller has edited belongs to another history than the current
    version.

    `current`: the entry, live blog, picture or partner as it is now. `edited`: the name of the history that the
    edited version belongs to; None to allow any history. `history`: the name of the current version's history.
    """
    if edited == FORMER:
        raise VersionConflict(current, "the ETag is of a form that doesn't say of which history: read it again")
    if edited is not None and edited != history:
        raise VersionConflict(current, "it was read before a backup was restored, which may have another version of it")


class Unauthorized(LiveserverError):
    """The request has no API key, or has one that is malformed, unknown, expired or revoked."""


class Forbidden(LiveserverError):
    """The request's API key is valid, but lacks the scope that the request needs, or is limited to other live blogs."""


class OtherSite(Forbidden):
    """A request to the desk that may change something, and that no page of the desk's own has sent."""


class EmbedRefused(LiveserverError):
    """The partner, or the page, may not show the live blog. `reason` says why, in one word for programs.

    `unknown`: there is no such partner. `disabled`: the partner is switched off. `expired`: the partner's time is over.
    `liveblog`: the partner may not show this live blog. `origin`: the page isn't one of the partner's. `embedding`: the
    live blog's embed policy doesn't allow the page.
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
    """Something that the request needs isn't available now. The caller may try again."""

    retry_after = 2
    """Seconds after which the caller may try again."""


class StoreUnavailable(Unavailable):
    """The database can't be reached, or is locked or full.

    Usually nothing was written. If the connection broke during a commit, the write may have succeeded, and only the
    database's answer was lost. A client that repeats its request with the same Idempotency-Key makes no second entry.
    """


class MediaUnavailable(Unavailable):
    """The storage of pictures can't be reached, or is full, or refuses access."""


class MediaFull(MediaUnavailable):
    """The storage of pictures is full. The operator has to free or add space."""

    retry_after = 60


class Busy(Unavailable):
    """The server can't begin the work that the request needs. Too much such work is under way or waiting already, or
    the server is stopping."""


class ClientGone(LiveserverError):
    """All clients that waited for an answer have disconnected, so the server doesn't make the answer."""


class BadBackup(LiveserverError):
    """The file isn't a backup, is damaged, or was made by a newer liveserver. Nothing was restored from the file."""


class Quota(NamedTuple):
    """A limit on a client's requests, as the headers of an answer state it
    (draft-ietf-httpapi-ratelimit-headers-11)."""

    policy: str
    """The limit's name."""
    most: int
    """The greatest number of units that a client may use: within `window`, or at the same time if `window` is None."""
    unit: str = "requests"
    """The unit: `requests`, `content-bytes`, or `concurrent-requests` for requests that are open at the same time."""
    window: int | None = None
    """Seconds after which a client that has used up the limit may use all units again. None if a unit is free again
    when the request that uses it ends."""


class TooManyRequests(LiveserverError):
    """An IP address, an API key or a source has used up its limit."""

    def __init__(self, detail: str, quota: Quota, retry_after: int) -> None:
        """Make the error. `detail`: the limit in words. `retry_after`: seconds after which to try again."""
        super().__init__(f"{detail}: try again in {retry_after} s")
        self.quota = quota
        self.retry_after = retry_after


class Draining(LiveserverError):
    """This server process is about to end, and accepts no more viewers.

    A viewer that tries again reaches another process, or this server after its restart.
    """

    retry_after = 2
    """Seconds after which the viewer may try again."""


class SettingsError(LiveserverError):
    """The server can't run with these settings. The error's message is one line for the operator."""
