"""Request bodies of the desk's API about people: invitations, roles, memberships, keys and passwords.

Most docstrings of models are shown in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from liveserver.domain.inputs.fields import Slug, _line
from liveserver.domain.inputs.models import Input
from liveserver.domain.people.rights import Role  # noqa: TC001 (pydantic needs it when the module runs)
from liveserver.domain.people.user import NAME_MAX, login_of

LOGIN_MAX = 255
"""The greatest length of the form by which names are compared, in characters: the width of its column."""


def _comparable(value: str) -> str:
    """Return a name without the spaces around it. Raises ValueError if its compared form is too long or empty."""
    if not 0 < len(login_of(value)) <= LOGIN_MAX:
        raise ValueError("must have fewer characters, or other ones")
    return value.strip()


UserName = Annotated[str, Field(max_length=NAME_MAX), AfterValidator(_line), AfterValidator(_comparable)]


class InvitationInput(Input):
    """A person who is invited to the desk."""

    name: UserName = Field(description="The name with which the person signs in, and which others see")
    role: Role
    liveblog: Slug | None = Field(None, description="The live blog on which the role counts; without it, all of them")
