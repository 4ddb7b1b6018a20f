"""The ways of signing in beside passwords, as far as the settings and the installed packages allow."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from liveserver.domain.errors import SettingsError
from liveserver.domain.people.rights import Role
from liveserver.store.repositories.people.credentials import OfferedWays

if TYPE_CHECKING:
    from liveserver.access.people.passkeys import Passkeys
    from liveserver.access.people.provider_sign_in import ProviderSignIn
    from liveserver.access.people.sign_in import SignIn
    from liveserver.settings import Settings
    from liveserver.store import Store

CALLBACK = "/desk/signin/provider/callback"
"""The path, below the site's public address, to which the provider sends browsers back."""


def passkeys_of(settings: Settings, store: Store, sign_in: SignIn) -> Passkeys | None:
    """Return the passkeys of the site; None if their package isn't installed, or browsers don't allow them here."""
    try:
        # Not imported at the top: a server without passkeys needn't have the package.
        from liveserver.access.people.passkeys import Passkeys, is_offered_at
    except ImportError:
        return None
    if not is_offered_at(settings.base_url):
        return None
    name = settings.site_name or urlsplit(settings.base_url).hostname or "liveserver"
    return Passkeys(store, sign_in, base_url=settings.base_url, site_name=name)


def provider_of(settings: Settings, store: Store, sign_in: SignIn) -> ProviderSignIn | None:
    """Return the site's OpenID provider; None if the settings name none.

    Raises SettingsError if they name one, and the package for it isn't installed.
    """
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    try:
        from liveserver.access.people.openid_provider import OpenIdProvider
    except ImportError:
        raise SettingsError("an OpenID provider needs more: pip install 'liveserver[oidc]'") from None
    from liveserver.access.people.provider_sign_in import ProviderSignIn

    provider = OpenIdProvider(
        settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, settings.base_url + CALLBACK
    )
    role = Role(settings.oidc_role) if settings.oidc_role else None
    name = settings.oidc_name or host_of(settings.oidc_issuer)
    return ProviderSignIn(store, sign_in, provider, role=role, name=name)


def offered(passkeys: Passkeys | None, provider: ProviderSignIn | None) -> OfferedWays:
    """Return the ways to sign in that the site offers beside passwords. The arguments are None for those it lacks."""
    return OfferedWays(passkeys is not None, None if provider is None else provider.issuer)


def provider_name(issuer: str, provider: ProviderSignIn | None) -> str:
    """Return the name of the provider with this issuer, as people see it.

    `provider`: the site's present provider, whose name the settings have; None if there is none. Another provider is
    one that the settings named in the past: its host is all that is known of it.
    """
    return provider.name if provider is not None and provider.issuer == issuer else host_of(issuer)


def host_of(issuer: str) -> str:
    """Return the host of an issuer's URL; the issuer itself if it isn't a URL with a host."""
    return urlsplit(issuer).hostname or issuer
