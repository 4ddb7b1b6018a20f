"""What is kept, and what is forgotten for it."""

from __future__ import annotations

from liveserver.lru import Lru


def kept(lru: Lru[str, int], keys: str) -> str:
    """Which of the keys are kept; asking changes nothing."""
    return "".join(key for key in keys if key in lru._kept)


def test_the_least_recently_used_is_forgotten_first() -> None:
    lru: Lru[str, int] = Lru(3)
    for number, key in enumerate("abc"):
        lru.put(key, number, 1)
    assert lru.get("a") == 0
    lru.put("d", 3, 1)
    assert (kept(lru, "abcd"), len(lru), lru.weight) == ("acd", 3, 3)
    assert lru.get("b") is None


def test_as_many_go_as_the_new_one_needs() -> None:
    lru: Lru[str, int] = Lru(10)
    for key in "abcde":
        lru.put(key, 0, 2)
    lru.put("f", 0, 5)
    assert (kept(lru, "abcdef"), lru.weight) == ("def", 9)


def test_a_value_takes_the_place_of_the_one_before() -> None:
    lru: Lru[str, int] = Lru(10)
    lru.put("a", 1, 8)
    lru.put("b", 2, 2)
    lru.put("a", 3, 4)
    assert (lru.get("a"), lru.get("b"), lru.weight) == (3, 2, 6)


def test_what_is_heavier_than_everything_is_not_kept() -> None:
    """And what its key had before is no longer right."""
    lru: Lru[str, int] = Lru(10)
    lru.put("a", 1, 5)
    lru.put("b", 2, 5)
    lru.put("a", 3, 11)
    assert (kept(lru, "ab"), lru.weight) == ("b", 5)
    nothing: Lru[str, int] = Lru(0)
    nothing.put("a", 1, 1)
    assert (len(nothing), nothing.weight) == (0, 0)


def test_dropping() -> None:
    lru: Lru[str, int] = Lru(10)
    lru.put("a", 1, 5)
    lru.drop("a")
    lru.drop("a")
    assert (lru.get("a"), lru.weight) == (None, 0)
