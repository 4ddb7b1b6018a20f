"""Rights: the verbs for what one may do, and the roles and scopes that allow them. This module does no I/O.

docs/roles.md has the whole table; a test compares it with this module.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from liveserver.domain.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Collection


class Verb(StrEnum):
    """A kind of act. Each operation of the API needs one verb."""

    SEE = "see"
    """See drafts, scheduled entries, revisions and pictures of a live blog."""
    FIGURES = "figures"
    """See the figures of a live blog: how many read it, and where."""
    WRITE = "write"
    """Write drafts, hand them in for review, and upload pictures."""
    PUBLISH = "publish"
    """Publish, schedule, edit and delete entries; approve or return an entry that was handed in."""
    OPEN = "open"
    """Open a live blog."""
    MANAGE = "manage"
    """Change a live blog's settings, its members, and the source that it follows."""
    PARTNERS = "partners"
    """Add, change and remove partners of the whole site."""
    ADMINISTER = "administer"
    """Invite and disable users, change roles, make and revoke API keys, and read the record of acts."""


class Role(StrEnum):
    """The role of a user: on the whole site, or, by a membership, on one live blog."""

    VIEWER = "viewer"
    REPORTER = "reporter"
    EDITOR = "editor"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """The place of the role in the order of roles. A role with a higher rank allows more."""
        return _RANKS.index(self)


_RANKS = (Role.VIEWER, Role.REPORTER, Role.EDITOR, Role.OWNER)

_SEEING = frozenset({Verb.SEE, Verb.FIGURES})
VERBS_OF_ROLE: dict[Role, frozenset[Verb]] = {
    Role.VIEWER: _SEEING,
    Role.REPORTER: _SEEING | {Verb.WRITE},
    Role.EDITOR: _SEEING | {Verb.WRITE, Verb.PUBLISH, Verb.OPEN},
    Role.OWNER: frozenset(Verb),
}
"""The verbs that each role allows. An editor may also manage the live blogs that they opened."""

OF_THE_SITE = frozenset({Verb.OPEN, Verb.PARTNERS, Verb.ADMINISTER})
"""The verbs that concern no single live blog. Only the role on the whole site counts for them."""

SCOPES = ("publish", "manage")
"""The scopes that an API key may have: `publish` for entries and pictures, `manage` for live blogs and partners."""

VERBS_OF_SCOPE: dict[str, frozenset[Verb]] = {
    "publish": frozenset({Verb.SEE, Verb.WRITE, Verb.PUBLISH}),
    "manage": frozenset({Verb.FIGURES, Verb.OPEN, Verb.MANAGE, Verb.PARTNERS}),
}
"""The verbs that each scope allows. No scope allows `administer`: whoever steals a key can't make a user with it."""


def scope_for(verb: Verb) -> str | None:
    """Return the scope that allows an API key the verb; None if no scope does."""
    return next((scope for scope, verbs in VERBS_OF_SCOPE.items() if verb in verbs), None)


class Rights(Protocol):
    """The rights of a principal at one moment."""

    def require(self, verb: Verb, slug: str | None, *, anywhere: bool = False) -> None:
        """Raise Forbidden, with the reason, unless the verb is allowed.

        `slug`: the live blog in question; None if the act concerns no single live blog. `anywhere`: True if it is
        enough that the verb is allowed on any live blog, as for a picture, which belongs to none.
        """


def allowed(rights: Rights, verb: Verb, slug: str | None) -> bool:
    """Return True if the rights allow the verb on the live blog."""
    try:
        rights.require(verb, slug)
    except Forbidden:
        return False
    return True


class KeyRights(NamedTuple):
    """The rights of an API key."""

    name: str
    scopes: frozenset[str]
    liveblogs: frozenset[str] | None = None
    """The slugs of the live blogs that the key is limited to; None if it isn't limited."""

    def require(self, verb: Verb, slug: str | None, *, anywhere: bool = False) -> None:
        """Raise Forbidden, with the reason, unless the key's scopes and live blogs allow the verb (see `Rights`)."""
        scope = scope_for(verb)
        if scope is None:
            raise Forbidden("this needs a person who is signed in: no API key may do it")
        if scope not in self.scopes:
            raise Forbidden(f"the key “{self.name}” lacks the scope “{scope}”")
        if not anywhere and self.liveblogs is not None and slug not in self.liveblogs:
            raise Forbidden(f"the key “{self.name}” is limited to {', '.join(sorted(self.liveblogs))}")


class UserRights(NamedTuple):
    """The rights of a user, as far as one live blog and the whole site are concerned."""

    name: str
    role: Role | None
    """The role on the whole site; None if the user has memberships only."""
    membership: Role | None = None
    """The role by membership on the live blog in question; None without a membership."""
    opened: bool = False
    """True if the user opened the live blog in question."""
    highest: Role | None = None
    """The highest role by any membership; None without memberships."""

    def require(self, verb: Verb, slug: str | None, *, anywhere: bool = False) -> None:
        """Raise Forbidden, with the reason, unless the user's roles allow the verb (see `Rights`)."""
        if verb in OF_THE_SITE:
            roles: Collection[Role | None] = (self.role,)
        elif anywhere:
            roles = (self.role, self.highest)
        else:
            roles = (self.role, self.membership if slug is not None else None)
        held = [role for role in roles if role is not None]
        if any(verb in VERBS_OF_ROLE[role] for role in held):
            return
        if verb is Verb.MANAGE and self.opened and slug is not None and Role.EDITOR in held:
            return
        if not held:
            raise Forbidden(f"{self.name} has no role here")
        role = max(held, key=lambda held_role: held_role.rank)
        raise Forbidden(f"{self.name} is {_WITH_ARTICLE[role]} here, which doesn't allow this")


_WITH_ARTICLE = {Role.VIEWER: "a viewer", Role.REPORTER: "a reporter", Role.EDITOR: "an editor", Role.OWNER: "an owner"}


class ServerRights:
    """The rights of the server itself, and of the operator's commands: everything is allowed."""

    def require(self, verb: Verb, slug: str | None, *, anywhere: bool = False) -> None:
        """Return without an error."""
