"""Streams held from one address: as many as may, and each leaves once."""

from __future__ import annotations

from liveserver.parties import Parties


def test_a_full_party_takes_nobody_until_one_leaves() -> None:
    parties = Parties(2)
    first, second = parties.join("a"), parties.join("a")
    assert first is not None
    assert first is second
    assert parties.join("a") is None
    assert parties.join("b") is not None
    first.leave()
    assert parties.join("a") is first
    assert parties.join("a") is None


def test_nothing_is_kept_of_who_has_gone() -> None:
    parties = Parties(9)
    party = parties.join("a")
    assert party is not None
    parties.join("a")
    party.leave()
    assert len(parties) == 1
    party.leave()
    assert len(parties) == 0
    assert parties.join("a") is not party
