"""Entries that are kept, and those that are forgotten for them."""

from __future__ import annotations

import tracemalloc

from liveserver.utils.lru_cache import KEPT_BYTES, LruCache


def kept(lru: LruCache[str, int], keys: str) -> str:
    """Which of the keys are kept; asking changes nothing."""
    return "".join(key for key in keys if key in lru)


def test_the_least_recently_used_is_forgotten_first() -> None:
    lru: LruCache[str, int] = LruCache(3)
    for number, key in enumerate("abc"):
        lru.put(key, number, 1)
    assert lru.get("a") == 0
    lru.put("d", 3, 1)
    assert (kept(lru, "abcd"), len(lru), lru.weight) == ("acd", 3, 3)
    assert lru.get("b") is None


def test_as_many_go_as_the_new_one_needs() -> None:
    lru: LruCache[str, int] = LruCache(10)
    for key in "abcde":
        lru.put(key, 0, 2)
    lru.put("f", 0, 5)
    assert (kept(lru, "abcdef"), lru.weight) == ("def", 9)


def test_a_value_takes_the_place_of_the_one_before() -> None:
    lru: LruCache[str, int] = LruCache(10)
    lru.put("a", 1, 8)
    lru.put("b", 2, 2)
    lru.put("a", 3, 4)
    assert (lru.get("a"), lru.get("b"), lru.weight) == (3, 2, 6)


def test_what_is_heavier_than_everything_is_not_kept() -> None:
    """And what its key had before is no longer right."""
    lru: LruCache[str, int] = LruCache(10)
    lru.put("a", 1, 5)
    lru.put("b", 2, 5)
    lru.put("a", 3, 11)
    assert (kept(lru, "ab"), lru.weight) == ("b", 5)
    nothing: LruCache[str, int] = LruCache(0)
    nothing.put("a", 1, 1)
    assert (len(nothing), nothing.weight) == (0, 0)


def test_what_was_asked_for_once_has_a_share() -> None:
    """Of which it takes nothing from what was asked for again; one is kept, however heavy."""
    lru: LruCache[str, int] = LruCache(100, once_share=0.25)
    for key in "abcd":
        lru.put(key, 0, 10)
    assert (kept(lru, "abcd"), lru.weight) == ("cd", 20)
    assert (lru.get("c"), lru.get("d")) == (0, 0)
    lru.put("e", 0, 20)
    assert kept(lru, "cde") == "cde"
    lru.put("f", 0, 80)
    assert (kept(lru, "cdef"), lru.weight) == ("cdf", 100)


def test_what_is_asked_for_again_outlives_what_is_asked_for_once() -> None:
    """However much of that there is; as long as it has no more than its share."""
    lru: LruCache[str, int] = LruCache(16)
    for key in "abc":
        lru.put(key, 0, 4)
        lru.get(key)
    for number in range(1_000):
        lru.put(str(number), number, 4)
    assert (kept(lru, "abc"), "999" in lru, "998" in lru, lru.weight) == ("abc", True, False, 16)
    lru.get("999")
    lru.put("new", 0, 4)
    assert kept(lru, "abc") == "bc"


def test_what_is_asked_for_again_keeps_its_place_when_it_is_replaced() -> None:
    lru: LruCache[str, int] = LruCache(8)
    lru.put("a", 1, 2)
    lru.get("a")
    lru.put("a", 2, 4)
    for number in range(10):
        lru.put(str(number), number, 4)
    assert (lru.get("a"), lru.weight) == (2, 8)


def test_a_new_value_finds_room_among_those_asked_for_again() -> None:
    """Heavy as it may be: else it could never be asked for again."""
    lru: LruCache[str, int] = LruCache(8)
    for key in "abc":
        lru.put(key, 0, 2)
        lru.get(key)
    lru.put("d", 1, 6)
    assert (kept(lru, "abcd"), lru.weight) == ("cd", 8)
    lru.drop("c")
    lru.drop("d")
    assert (len(lru), lru.weight) == (0, 0)


def test_its_own_memory_is_no_more_than_it_says() -> None:
    for number in (100, 1_500, 3_000):
        lru: LruCache[int, bytes] = LruCache(10_000_000)
        keys = list(range(1_000, 1_000 + number))
        tracemalloc.start()
        for key in keys:
            lru.put(key, b"", 1_000)
            lru.get(key)
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert taken <= number * KEPT_BYTES


def test_dropping() -> None:
    lru: LruCache[str, int] = LruCache(10)
    lru.put("a", 1, 5)
    lru.drop("a")
    lru.drop("a")
    assert (lru.get("a"), lru.weight) == (None, 0)
