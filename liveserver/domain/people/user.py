"""Users: people who sign in at the desk, their memberships, their sessions, and the links by which they join."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from liveserver.domain.ids import EntityVersion, _history_since
from liveserver.utils.tokens import digest_of

if TYPE_CHECKING:
    from datetime import datetime

    from liveserver.domain.people.rights import Role

NAME_MAX = 80
"""The greatest length of a user's name, in characters."""


def login_of(name: str) -> str:
    """Return a user's name in the form in which names are compared. No two users have names with the same form.

    Names have the same form if they differ only in upper and lower case, in the number of spaces, or in characters that
    NFKC makes equal, such as an accented letter that is written as one character or as two.
    """
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())


_IGNORED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""A pattern of the letters, marks and signs that are drawn as nothing: Unicode's Default_Ignorable_Code_Point, but for
those of the category Cf, and the empty Braille pattern."""


def hidden_in(name: str) -> str | None:
    """Return the first character of a name that can't be seen, or that turns the direction of the text; None if none.

    With such characters, two names would look the same.
    """
    for character in name:
        if unicodedata.category(character) in {"Cf", "Co", "Cs", "Zl", "Zp"} or _IGNORED.match(character):
            return character
    return None


class UserState(StrEnum):
    """The state of a user."""

    INVITED = "invited"
    """The user was invited, but hasn't joined yet, and can't sign in without the link of the invitation."""
    ACTIVE = "active"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class User:
    """A person who signs in at the desk."""

    id: str
    """`u_` and twelve letters or digits."""
    name: str
    """The name with which the user signs in, and which others see."""
    role: Role | None
    """The role on the whole site; None if the user has memberships only."""
    state: UserState
    created_at: datetime
    updated_at: datetime
    version: int
    memberships: tuple[Membership, ...] = ()
    """The user's roles on single live blogs, in the order of the slugs; also () if they weren't read from the store."""

    @property
    def entity_version(self) -> EntityVersion:
        """The user's version, in a history that is named after the time of the last change of name, role or state."""
        return EntityVersion(self.version, _history_since(self.updated_at))


class Membership(NamedTuple):
    """A user's role on one live blog. There, the higher of this role and the user's role on the whole site applies."""

    slug: str
    role: Role


class LinkKind(StrEnum):
    """The purpose of a link that an owner gives to a user."""

    JOIN = "join"
    """The user joins: sets a password, or makes a passkey, for the first time."""
    RESET = "reset"
    """The user has lost the password or passkey, and sets a new password or passkey."""
    SIGN_IN = "sign-in"
    """The link signs the user in at once, without a password or passkey. Only `liveserver demo` makes such links."""


class JoinLink(NamedTuple):
    """A link by which a user joins, sets a new password or passkey, or signs in (`LinkKind`). It can be used once."""

    kind: LinkKind
    user_id: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """A user's session at the desk: from signing in to signing out, in one browser."""

    id: str
    """A short id, by which the user can end the session. It is no secret, unlike the token in the session's cookie."""
    user_id: str
    created_at: datetime
    seen_at: datetime
    """The time of the session's last use, give or take five minutes (`SEEN_EVERY`). A request is use, and so is a word
    that the editor's page says on a desk's stream."""
    confirmed_at: datetime
    """The time at which the user last proved their identity: when signing in, or later in the session."""
    address: str | None
    """The IP address of the client that signed in; None if it isn't known."""
    agent: str
    """The browser's User-Agent header, cut to `AGENT_MAX` characters."""


class UserIdentity(NamedTuple):
    """A user as an OpenID provider knows them."""

    issuer: str
    subject: str
    user_id: str
    created_at: datetime
    used_at: datetime | None
    """The time at which the user last signed in or confirmed by this identity; None if it isn't known."""

    @property
    def id(self) -> str:
        """A short id, by which the user can name the identity in an address. It is made of issuer and subject."""
        return digest_of(f"{self.issuer}\n{self.subject}")[:16]


AGENT_MAX = 200
"""The greatest length of a session's User-Agent, in characters."""
