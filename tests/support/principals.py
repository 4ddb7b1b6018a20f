"""Principals for tests that write to the store: the newsroom, and others by name."""

from __future__ import annotations

from liveserver.domain.people.principal import Principal, PrincipalKind


def named(name: str) -> Principal:
    """Return a principal of this name that may do everything, as a part of the server may."""
    return Principal(PrincipalKind.SERVER, name, name)


def key_principal(key_id: str, name: str = "desk") -> Principal:
    """Return the principal of the API key with this id."""
    return Principal(PrincipalKind.KEY, key_id, name)


NEWSROOM = named("desk")
