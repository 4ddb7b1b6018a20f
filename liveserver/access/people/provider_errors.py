"""The errors of signing in by an OpenID provider."""

from __future__ import annotations

from liveserver.domain.errors import Forbidden, Unauthorized, Unavailable


class ProviderDown(Unavailable):
    """The provider can't be reached, or doesn't answer as it should. The log says why."""


class ProviderRefused(Unauthorized):
    """The provider didn't accept the code, or the ID token that it gave isn't valid. The log says why."""


class ProviderDenied(Unauthorized):
    """The browser came back without a code of the provider: the person or the provider ended the sign-in there, or the
    answer is another provider's."""


class NotOneOfUs(Forbidden):
    """The provider knows the person, but the identity isn't connected with a user of ours, or not with the acting
    user."""


class SomebodyElse(NotOneOfUs):
    """The person who confirmed at the provider isn't the acting user."""


class NotFresh(Forbidden):
    """The provider doesn't say that the person has just signed in there. So its answer doesn't confirm who acts."""


class UserOff(Unauthorized):
    """The user of ours who is connected with the identity was disabled."""


class LinkGone(Unauthorized):
    """The link by which the person wants to join is unknown, has expired or was used."""
