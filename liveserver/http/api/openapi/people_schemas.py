"""Models of the answers of the desk's own operations, for the OpenAPI document.

`protocol/people.py` and the operations make the answers. A test checks that they fit these models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from liveserver.domain.people.principal import PrincipalKind
from liveserver.domain.people.rights import Role, Verb
from liveserver.domain.people.user import UserState
from liveserver.http.api.openapi.schemas import Shape


class MembershipObject(Shape):
    """A user's role on one live blog."""

    liveblog: str = Field(description="Its slug")
    role: Role


class UserObject(Shape):
    """A person who signs in at the desk."""

    id: str
    name: str
    role: Role | None = Field(description="On the whole site; null: the memberships alone count")
    state: UserState
    memberships: list[MembershipObject]
    created_at: datetime
    updated_at: datetime
    version: int


class UserList(Shape):
    """A page of users, newest first."""

    items: list[UserObject]
    next_cursor: str | None


class LinkObject(Shape):
    """A link by which a person joins, or sets a new password."""

    user: UserObject
    url: str = Field(description="It is shown this once, and can be used once")
    expires_at: datetime


class SelfObject(Shape):
    """The user who asks."""

    id: str
    name: str
    role: Role | None


class OwnSessionObject(Shape):
    """The session from which the request came."""

    id: str
    created_at: datetime
    seen_at: datetime = Field(description="The last use, give or take five minutes")
    ends_at: datetime = Field(description="When it ends, unless it is used before")
    confirmed_until: datetime = Field(
        description="Until when the user may do what needs a new proof of identity; it may be past"
    )


class OwnLiveblogObject(Shape):
    """The verbs that the user is allowed on one live blog."""

    slug: str
    verbs: list[Verb]


class SelfAnswer(Shape):
    """The user who is signed in, since when, and with which rights."""

    user: SelfObject
    session: OwnSessionObject
    verbs: list[Verb] = Field(description="What the role on the whole site allows, on every live blog")
    memberships: list[MembershipObject]
    liveblogs: list[OwnLiveblogObject] = Field(description="Of those that were asked for")


class ConfirmedObject(Shape):
    """Until when the proof of identity, given once more, counts."""

    confirmed_until: datetime


class SessionObject(Shape):
    """A session of the user who asks, in one browser."""

    id: str
    created_at: datetime
    seen_at: datetime = Field(description="The last use, give or take five minutes")
    address: str | None = Field(description="Where the user signed in")
    agent: str = Field(description="The browser, as it calls itself")
    current: bool = Field(description="The request came from this one")


class SessionList(Shape):
    """The sessions of the user who asks. The one that was used last comes first."""

    items: list[SessionObject]


class IdentityObject(Shape):
    """The user who asks, as an OpenID provider knows them."""

    id: str
    provider: str = Field(description="The provider’s name")
    issuer: str = Field(description="The provider’s issuer, a URL")
    subject: str = Field(description="The user’s id at the provider")
    created_at: datetime = Field(description="When it was connected")
    used_at: datetime | None = Field(description="The last sign-in or confirmation by it; null: it isn’t known")


class IdentityList(Shape):
    """The identities of the user who asks, oldest first."""

    items: list[IdentityObject]


class MemberObject(Shape):
    """A user with a role on one live blog."""

    id: str
    name: str
    state: UserState
    role: Role = Field(description="On this live blog")


class MemberList(Shape):
    """The members of a live blog, by name."""

    items: list[MemberObject]


class KeyObject(Shape):
    """An API key, without its secret."""

    id: str
    name: str
    scopes: list[Literal["manage", "publish"]]
    liveblogs: list[str] | None = Field(description="The slugs that it is limited to; null: it isn't limited")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class NewKeyObject(KeyObject):
    """An API key that was just made."""

    key: str = Field(description="It is shown this once")


class KeyList(Shape):
    """A page of API keys, newest first, with those that were revoked."""

    items: list[KeyObject]
    next_cursor: str | None


class PrincipalObject(Shape):
    """The person, API key or part of the server that acted."""

    kind: PrincipalKind
    id: str
    name: str = Field(description="As it was then")


class ActObject(Shape):
    """A row of the audit log."""

    id: str
    at: datetime
    by: PrincipalObject
    action: str = Field(description="A noun and a verb, such as `entry.published`")
    liveblog: str | None
    entry: str | None
    version: int | None
    details: dict[str, Any]


class ActList(Shape):
    """A page of the audit log, the last act first."""

    items: list[ActObject]
    next_cursor: str | None
