"""Rights: verbs, which name kinds of acts, and the roles and scopes that allow them. This module does no I/O.

docs/roles.md shows the verbs of each role and scope in a table. A test compares the table with the code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from liveserver.domain.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Collection


class Verb(StrEnum):
    """A kind of act. Roles and scopes allow verbs. Most operations of the API need one verb.

    An operation that needs `write` needs `publish`, too, unless it concerns one's own draft or picture.
    """

    SEE = "see"
    """See a live blog's drafts, scheduled entries, revisions and takedowns. See the pictures of all live blogs."""
    FIGURES = "figures"
    """See the reach of a live blog: its views and watch time, by partner and hour."""
    WRITE = "write"
    """Write drafts, hand them in for review, and upload pictures. Edit and delete one's own drafts and pictures."""
    PUBLISH = "publish"
    """Publish, schedule, edit and delete entries; approve or return an entry that was handed in."""
    OPEN = "open"
    """Open a live blog."""
    MANAGE = "manage"
    """Change a live blog's own fields, its members and the source that it follows. Make links to its page of reach."""
    PARTNERS = "partners"
    """See, add, change and remove partners.

    For a partner that may show only certain live blogs, a user may instead have `manage` for all these live blogs.
    """
    ADMINISTER = "administer"
    """Invite and disable users, change their roles on the site, make and revoke API keys, and read the audit log."""


class Role(StrEnum):
    """The role of a user: on the whole site, or, by a membership, on one live blog."""

    VIEWER = "viewer"
    REPORTER = "reporter"
    EDITOR = "editor"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        """The place of the role in the order of roles, from 0 (viewer) to 3 (owner). A higher rank allows more."""
        return _RANKS.index(self)


_RANKS = (Role.VIEWER, Role.REPORTER, Role.EDITOR, Role.OWNER)

_SEEING = frozenset({Verb.SEE, Verb.FIGURES})
VERBS_OF_ROLE: dict[Role, frozenset[Verb]] = {
    Role.VIEWER: _SEEING,
    Role.REPORTER: _SEEING | {Verb.WRITE},
    Role.EDITOR: _SEEING | {Verb.WRITE, Verb.PUBLISH, Verb.OPEN},
    Role.OWNER: frozenset(Verb),
}
"""The verbs that each role allows. In addition, `UserRights.require` allows an editor `manage` for a live blog that
this editor opened."""

OF_THE_SITE = frozenset({Verb.OPEN, Verb.PARTNERS, Verb.ADMINISTER})
"""The verbs that concern no single live blog. A user's role on the whole site can allow them; a membership can't."""

SCOPES = ("publish", "manage")
"""The scopes that an API key may have: `publish` for entries and pictures, `manage` for live blogs and partners."""

VERBS_OF_SCOPE: dict[str, frozenset[Verb]] = {
    "publish": frozenset({Verb.SEE, Verb.WRITE, Verb.PUBLISH}),
    "manage": frozenset({Verb.FIGURES, Verb.OPEN, Verb.MANAGE, Verb.PARTNERS}),
}
"""The verbs that each scope allows. No scope allows `administer`, so that nobody can make a user with a stolen key."""


def scope_for(verb: Verb) -> str | None:
    """Return the scope that an API key needs for a verb; None if no scope allows the verb."""
    return next((scope for scope, verbs in VERBS_OF_SCOPE.items() if verb in verbs), None)


class Rights(Protocol):
    """The rights that a principal had when the rights were read."""

    def require(self, verb: Verb, slug: str | None, *, anywhere: bool = False) -> None:
        """Raise Forbidden, with the reason, unless the verb is allowed.

        `slug`: the live blog on which the principal wants to act; None if the act concerns no single live blog.
        `anywhere`: True if it is enough that the verb is allowed on at least one live blog, whichever it is. (Pictures
        are seen and added with such a right, as they belong to no live blog.)
        """

    def check_gives(self, role: Role) -> None:
        """Raise Forbidden, with the reason, if somebody with these rights may not give another person this role.

        Nobody gives a role above their own, or takes such a role away.
        """


def allowed(rights: Rights, verb: Verb, slug: str | None) -> bool:
    """Return True if the rights allow the verb. `slug`: see `Rights.require`."""
    try:
        rights.require(verb, slug)
    except Forbidden:
        return False
    return True


_NO_KEY = "this needs a person who is signed in: no API key may do it"


class KeyRights(NamedTuple):
    """The rights of an API key."""

    name: str
    scopes: frozenset[str]
    liveblogs: frozenset[str] | None = None
    """The slugs of the live blogs that the key is limited to; None if it isn't limited."""

    def require(self, verb: Verb, slug: str | None, *, anywhere: bool = False) -> None:
        """Raise Forbidden, with the reason, unless the key has the verb's scope, and may act on the live blog.

        A key that is limited to certain live blogs may act only on these, and is refused if `slug` is None. If
        `anywhere` is True, the limit doesn't count. `slug` and `anywhere`: see `Rights.require`.
        """
        scope = scope_for(verb)
        if scope is None:
            raise Forbidden(_NO_KEY)
        if scope not in self.scopes:
            raise Forbidden(f"the key “{self.name}” lacks the scope “{scope}”")
        if not anywhere and self.liveblogs is not None and slug not in self.liveblogs:
            raise Forbidden(f"the key “{self.name}” is limited to {', '.join(sorted(self.liveblogs))}")

    def check_gives(self, role: Role) -> None:
        """Raise Forbidden: no API key gives roles."""
        raise Forbidden(_NO_KEY)


class UserRights(NamedTuple):
    """The rights of a user on the whole site and on one live blog, the one for which the rights were read.

    If the rights were read for no live blog, `membership` is None, and `opened` is False.
    """

    name: str
    role: Role | None
    """The role on the whole site; None if the user has memberships only."""
    membership: Role | None = None
    """The role that the user has as a member of the live blog; None if the user isn't a member."""
    opened: bool = False
    """True if the user opened the live blog."""
    highest: Role | None = None
    """The highest role that the user has as a member of any live blog. None if the user is a member of none, or if it
    wasn't read, as it can't add a right."""

    def require(self, verb: Verb, slug: str | None, *, anywhere: bool = False) -> None:
        """Raise Forbidden, with the reason, unless one of the user's roles allows the verb.

        The role on the whole site always counts. For verbs that aren't in `OF_THE_SITE`, another role counts, too:
        `highest` if `anywhere` is True, otherwise `membership`, unless `slug` is None. `slug`: None, or the live blog
        for which the rights were read. An editor who opened this live blog is also allowed `manage`.
        """
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
        where = "on the whole site" if slug is None and not anywhere else "here"
        if not held:
            raise Forbidden(f"{self.name} has no role {where}: {_needed(verb)}")
        role = max(held, key=lambda held_role: held_role.rank)
        raise Forbidden(f"{self.name} is {_WITH_ARTICLE[role]} {where}: {_needed(verb)}")

    def check_gives(self, role: Role) -> None:
        """Raise Forbidden if the role is above the user's own on the live blog for which the rights were read."""
        own = max((held.rank for held in (self.role, self.membership) if held is not None), default=-1)
        if role.rank > own:
            raise Forbidden(f"nobody gives or takes a role above their own: {role} is above {self.name}'s")


def _needed(verb: Verb) -> str:
    """Return a text that names the verb which an act needs, and the least role that allows the verb."""
    least = min((role for role in Role if verb in VERBS_OF_ROLE[role]), key=lambda role: role.rank)
    return f"this needs the verb “{verb}”, which {_WITH_ARTICLE[least]} has"


_WITH_ARTICLE = {Role.VIEWER: "a viewer", Role.REPORTER: "a reporter", Role.EDITOR: "an editor", Role.OWNER: "an owner"}


class ServerRights:
    """The rights of the server itself, and of the operator's commands: everything is allowed."""

    def require(self, verb: Verb, slug: str | None, *, anywhere: bool = False) -> None:
        """Return without an error."""

    def check_gives(self, role: Role) -> None:
        """Return without an error."""
