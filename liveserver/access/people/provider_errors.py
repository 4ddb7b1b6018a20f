"""What can go wrong when somebody signs in by an OpenID provider."""

from __future__ import annotations

from liveserver.domain.errors import Forbidden, Unauthorized, Unavailable


class ProviderDown(Unavailable):
    """The provider can't be reached, or doesn't answer as it should. The log says why."""


class ProviderRefused(Unauthorized):
    """The provider didn't accept the code, or its token isn't valid. The log says why."""


class ProviderDenied(Unauthorized):
    """The provider has sent the browser back without a code: the person, or the provider, doesn't want to go on."""


class NotOneOfUs(Forbidden):
    """The provider knows the person, but no user of ours is connected with that identity."""


class NotFresh(Forbidden):
    """The provider doesn't say that the person has just signed in there, so it proves nothing."""


class UserOff(Unauthorized):
    """The user whom the provider knows was disabled."""


class LinkGone(Unauthorized):
    """The link by which the person wants to join is unknown, has expired or was used."""
