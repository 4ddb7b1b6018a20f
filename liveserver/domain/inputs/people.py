"""Request bodies of the desk's API about people: invitations, roles, memberships, keys and passwords.

Most docstrings of models are shown in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from liveserver.domain.inputs.fields import Flag, Name, Slug, _line, _unique
from liveserver.domain.inputs.models import ABSENT, Input, Patch
from liveserver.domain.people.rights import Role
from liveserver.domain.people.user import NAME_MAX, hidden_in, login_of

LOGIN_MAX = 255
"""The greatest length of what `login_of` returns for a user's name, in characters: the width of the column `login`."""
PASSWORD_MAX = 1_000
"""The greatest length of a password in a request, in characters. All passwords that can be set are shorter."""
KEY_DAYS_MAX = 3_650
"""The greatest number of days after which a new key can expire: ten years. A key may also never expire."""
KEY_LIVEBLOGS_MAX = 1_000
"""The greatest number of live blogs that a key can be limited to. All are read for each request with
the key."""


def _comparable(value: str) -> str:
    """Return a name without the spaces around it.

    Raises ValueError if the name has a character that can't be seen (`hidden_in`), or if `login_of` returns an empty
    text for the name, or more than LOGIN_MAX characters.
    """
    if (hidden := hidden_in(value)) is not None:
        raise ValueError(f"has a character that can't be seen (U+{ord(hidden):04X}): leave it out")
    if not 0 < len(login_of(value)) <= LOGIN_MAX:
        raise ValueError("must have fewer characters, or other ones")
    return value.strip()


UserName = Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_line), AfterValidator(_comparable)]


KeyLiveblogs = Annotated[list[Slug], Field(min_length=1, max_length=KEY_LIVEBLOGS_MAX), AfterValidator(_unique)]


class InvitationInput(Input):
    """A person who is invited to the desk."""

    name: UserName = Field(description="The name with which the person signs in, and which others see")
    role: Role
    liveblog: Slug | None = Field(None, description="The live blog on which the role counts; without it, all of them")


class UserPatch(Patch):
    """An edit of a user. Absent fields stay as they are."""

    name: UserName = ABSENT
    role: Role | None = ABSENT
    disabled: Flag = ABSENT


class RoleInput(Input):
    """A role on one live blog."""

    role: Role


class MemberInput(RoleInput):
    """A user who is to have a role on one live blog."""

    name: Annotated[str, Field(max_length=NAME_MAX)] = Field(description="The user's name; capitals don't matter")


class KeyInput(Input):
    """A new API key."""

    name: Name = Field(description="The program that it is for")
    scopes: Annotated[list[Literal["publish", "manage"]], Field(min_length=1, max_length=2), AfterValidator(_unique)]
    liveblogs: KeyLiveblogs | None = Field(
        None, description="The slugs of the live blogs that it is limited to; without them, all"
    )
    expires_in_days: Annotated[int, Field(ge=1, le=KEY_DAYS_MAX, strict=True)] | None = Field(
        None, description="Days for which it is valid; without them, it doesn't expire"
    )


class PasswordInput(Input):
    """The password of the user who asks."""

    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_MAX)]
