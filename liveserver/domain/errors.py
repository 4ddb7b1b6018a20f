"""The errors that liveserver raises on purpose.

The classes of this module are one tree. Some other modules derive classes from them.

LiveserverError
├── InvalidInput        input that breaks a rule; the error names every bad field
│   └── KeyReused       an Idempotency-Key that came with a different request before
├── NotFound            there is no such live blog, entry, key …
├── Gone                the entry or picture existed, and was deleted
│   └── NeverSeen       the entry was deleted before readers could see it
├── Conflict            the current state forbids the request (a slug that is taken, too many pinned entries …)
├── VersionConflict     the caller edited another version than the current one
├── Unauthorized        no API key, or an API key that isn't valid
├── Forbidden           a valid API key or session whose rights don't allow the request
│   └── OtherSite           a request to the desk without headers that say that our own page sent it
├── EmbedRefused        the partner or the page may not show the live blog
├── Unavailable         something that the request needs isn't available now: try again
│   ├── StoreUnavailable    the database can't be used now
│   ├── MediaUnavailable    a picture can't be stored or read now
│   │   └── MediaFull       the disk, or the limit on all pictures together, is used up
│   └── Busy                the server can take on no more work of this kind now
├── ClientGone          all clients that waited for an answer disconnected before its making began
├── BadBackup           a file that can't be read as a backup of this or an earlier release
├── TooManyRequests     an address, API key, user or source has used up a limit: try again later
├── Draining            this server is about to end, and accepts no more viewers: try again soon
└── SettingsError       the server or a command can't work with these settings or arguments

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
    """One bad field of an input, and a text that says what is wrong with this field."""

    pointer: str
    """The field: a JSON pointer (RFC 6901) in the body, `?name` for a query parameter, a header's name, or an option of
    a command. "" if the whole input is bad."""
    detail: str


class LiveserverError(Exception):
    """Base of every error that liveserver raises on purpose."""


class InvalidInput(LiveserverError):
    """Input that breaks a rule. `errors` has one FieldError for each bad field, not only for the first."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{pointer}: {detail}" if pointer else detail for pointer, detail in errors))
        self.errors = errors


class KeyReused(InvalidInput):
    """The request's Idempotency-Key came with a different request of the same principal before."""

    def __init__(self) -> None:
        super().__init__([FieldError("Idempotency-Key", "was used before with a different request")])


class NotFound(LiveserverError):
    """The request names something that doesn't exist, such as a live blog, an entry, a partner or a user."""


class Gone(LiveserverError):
    """The request names an entry or picture that was deleted permanently."""


class NeverSeen(Gone):
    """The entry was deleted before readers could see it. Readers get NotFound instead, so they don't learn of it."""


class Conflict(LiveserverError):
    """The current state forbids the request: for example, the slug is taken, or ten other entries are pinned."""


class VersionConflict(LiveserverError):
    """The version that the caller has edited isn't the current version. `current`: the current version of the entry,
    live blog, picture, partner or user."""

    def __init__(self, current: Entry | Liveblog | Media | Partner | User, detail: str | None = None) -> None:
        super().__init__(detail or f"the current version is {current.version}")
        self.current = current


def check_version(
    current: Entry | Liveblog | Media | Partner | User, edited: EntityVersion | None, history: str | None
) -> None:
    """Raise VersionConflict if the version that the caller has edited isn't the current version.

    `current`: the entry, live blog, picture, partner or user as it is now. `edited`: the version that the caller has
    edited; None to allow any version. `history`: the name of the current version's history. None for an entry: then
    only the version numbers are compared here, and the store compares the histories (`check_history`).
    """
    if edited is None:
        return
    if edited.number != current.version:
        raise VersionConflict(current)
    if history is not None:
        check_history(current, edited.history, history)


def check_history(current: Entry | Liveblog | Media | Partner | User, edited: str | None, history: str) -> None:
    """Raise VersionConflict if the edited version and the current version belong to different histories.

    `current`: the entry, live blog, picture, partner or user as it is now. `edited`: the name of the history of the
    version that the caller has edited; None to allow any history. `history`: the name of the current version's history.
    """
    if edited == FORMER:
        raise VersionConflict(current, "the ETag is of a form that doesn't say of which history: read it again")
    if edited is not None and edited != history:
        raise VersionConflict(current, "it was read before a backup was restored, which may have another version of it")


class Unauthorized(LiveserverError):
    """The request lacks a valid API key or session, or the password or link that it has isn't valid."""


class Forbidden(LiveserverError):
    """The request's API key or session is valid, but the rights of the key or user don't allow the request."""


class OtherSite(Forbidden):
    """A request to the desk that may change something, without headers that say that our own page sent it."""


class EmbedRefused(LiveserverError):
    """The partner or the page may not show the live blog. `reason`: the reason, as one of six words.

    `unknown`: there is no such partner. `disabled`: the partner is switched off. `expired`: the partner's `expires_at`
    has passed. `liveblog`: the partner may not show this live blog. `origin`: the page's origin isn't one of the
    partner's. `embedding`: the request names no partner, and the live blog's embed policy doesn't allow the page.
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
    """The database can't be used now: it can't be reached, or is locked, full, read-only, damaged or too slow.

    Usually nothing was written. But if the connection broke during a commit, the write may have succeeded. A client can
    repeat its request with the same Idempotency-Key: this makes no second entry or picture.
    """


class MediaUnavailable(Unavailable):
    """A picture can't be stored, read or transcoded now.

    The storage of pictures, or the disk for uploads, can't be reached, is full, or refuses access. Or no process can be
    started.
    """


class MediaFull(MediaUnavailable):
    """The disk of pictures has too few free bytes, or all pictures together have reached `LIVESERVER_MEDIA_TOTAL`."""

    retry_after = 60


class Busy(Unavailable):
    """The server can take on no more work of the kind that the request needs. Too much of it is under way or waiting,
    the client has too many unread bytes, or the server is stopping."""


class ClientGone(LiveserverError):
    """All clients that waited for an answer disconnected before the server began to make the answer."""


class BadBackup(LiveserverError):
    """The file can't be read, isn't a complete backup, is damaged, or was made by a newer liveserver.

    The database is unchanged: nothing was restored from the file.
    """


class Quota(NamedTuple):
    """A limit on what one client may use. The headers of a 429 state it (draft-ietf-httpapi-ratelimit-headers-11)."""

    policy: str
    """The limit's name."""
    most: int
    """The greatest number of units that a client may use at once."""
    unit: str = "requests"
    """The unit: `requests`; `content-bytes`; or `concurrent-requests`, for requests that are open at one time."""
    window: int | None = None
    """Seconds within which all used units come back, evenly. None if a unit comes back when the request that uses it
    ends."""


class TooManyRequests(LiveserverError):
    """An IP address, an API key, a user or a source has used up a limit."""

    def __init__(self, detail: str, quota: Quota, retry_after: int) -> None:
        """`detail`: the limit of the client, in words. `retry_after`: seconds until it may try again."""
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
    """The server or a command can't work with its settings or arguments, or with the database or file that they name.

    The error's message is one line for the operator.
    """
