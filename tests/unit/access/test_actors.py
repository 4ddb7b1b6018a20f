"""Actors: what the sender of a request may do."""

from __future__ import annotations

import pytest

from liveserver.access.actors import Actor, may, require
from liveserver.domain.errors import Forbidden, Unauthorized
from liveserver.domain.people.rights import KeyRights, Role, UserRights, Verb
from tests.support.principals import key_principal


def actor_with(rights: KeyRights | UserRights) -> Actor:
    return Actor(key_principal("id"), rights)


def test_the_scopes_of_a_key() -> None:
    """One doesn't include another."""
    actor = actor_with(KeyRights("Agence", frozenset({"publish"})))
    assert require(actor, Verb.PUBLISH, "marees") is require(actor, Verb.PUBLISH, None) is actor
    with pytest.raises(Forbidden, match=r"Agence.*manage"):
        require(actor, Verb.MANAGE, None)
    with pytest.raises(Unauthorized):
        require(None, Verb.PUBLISH, None)


def test_a_limited_key() -> None:
    """It is for its live blogs, and for what all share; not for the whole site."""
    actor = actor_with(KeyRights("Sport", frozenset({"publish"}), frozenset({"match", "tour"})))
    assert require(actor, Verb.PUBLISH, "match") is require(actor, Verb.PUBLISH, None, anywhere=True) is actor
    assert may(actor, Verb.PUBLISH, "match")
    for slug in ("marees", "", None):
        with pytest.raises(Forbidden, match="the key “Sport” is limited to match, tour"):
            require(actor, Verb.PUBLISH, slug)
    assert not may(actor, Verb.PUBLISH, "marees")
    assert not may(actor, Verb.MANAGE, "match")
    assert not may(None, Verb.PUBLISH, "match")
    assert not may(actor_with(KeyRights("Rien", frozenset({"publish"}), frozenset())), Verb.PUBLISH, "match")


def test_the_role_of_a_user() -> None:
    """The role on the site, or by a membership of the live blog; the refusal says which it is."""
    actor = actor_with(UserRights("Ada", Role.VIEWER, membership=Role.EDITOR, highest=Role.EDITOR))
    assert may(actor, Verb.PUBLISH, "match")
    with pytest.raises(
        Forbidden, match="a viewer on the whole site: this needs the verb “publish”, which an editor has"
    ):
        require(actor, Verb.PUBLISH, None)
    with pytest.raises(Forbidden, match="Ada is an editor here: this needs the verb “manage”, which an owner has"):
        require(actor, Verb.MANAGE, "match")
    with pytest.raises(Forbidden, match="Ada has no role here: this needs the verb “see”, which a viewer has"):
        require(actor_with(UserRights("Ada", None)), Verb.SEE, "match")
