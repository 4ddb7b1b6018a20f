"""One node's part of a takedown: who was asked, and what became of them."""

from __future__ import annotations

import tracemalloc
from dataclasses import astuple
from typing import TYPE_CHECKING

from liveserver.domain.model import ConfirmationCounts
from liveserver.newsroom import takedown_counter as takedown_counter_module
from liveserver.newsroom.takedown_counter import ReplyIds, TakedownCounter, total, waiting
from tests.sinks import ListSink

if TYPE_CHECKING:
    import pytest


def viewer(word: str = "", partner: str = "") -> ListSink:
    sink = ListSink()
    sink.word, sink.partner = word, partner
    return sink


def counts(tally: TakedownCounter, partner: str = "") -> tuple[int, ...]:
    """Asked, had, confirmed, gone."""
    return astuple(tally.by_partner[partner])


def test_who_is_connected_is_asked() -> None:
    here = [viewer() for _ in range(4)]
    tally = TakedownCounter(here)
    assert (counts(tally), waiting(tally.by_partner)) == ((4, 0, 0, 0), 4)
    tally.answered(here[0], had=True)
    tally.answered(here[1], had=False)
    tally.left(here[2])
    assert (counts(tally), waiting(tally.by_partner)) == ((4, 1, 2, 1), 1)


def test_only_the_first_answer_counts() -> None:
    one, other = viewer(), viewer("w")
    tally = TakedownCounter([one, other])
    for had in (True, False, True):
        tally.answered(one, had=had)
        tally.posted("w", had=had)
        tally.answered(other, had=had)
    assert counts(tally) == (2, 2, 2, 0)


def test_words() -> None:
    """As a set has them: each once, all told from one another, none left when they are forgotten."""
    words, some = ReplyIds(), [f"{number:012x}" for number in range(20_000)]
    for word in [*some, *some]:
        words.add(word)
    assert len(words) == len(some)
    assert all(word in words for word in some)
    assert not any(word.upper() + "z" in words for word in some)
    words.clear()
    assert (len(words), some[0] in words) == (0, False)


def test_what_is_posted_takes_up_little() -> None:
    """A stranger may post words without end, each as long and as wide as may be."""
    many = 20_000
    tracemalloc.start()
    try:
        tally = TakedownCounter([])
        before, _ = tracemalloc.get_traced_memory()
        for number in range(many):
            tally.posted(f"{number:063}😀", had=True)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counts(tally) == (many, many, many, 0)
    assert (after - before) / many < 60


def test_who_answered_and_left_has_answered() -> None:
    one, other = viewer(), viewer("w")
    tally = TakedownCounter([one, other])
    tally.answered(one, had=True)
    tally.posted("w", had=True)
    tally.left(one)
    tally.left(other)
    tally.posted("w", had=True)
    assert counts(tally) == (2, 2, 2, 0)


def test_who_left_without_a_word_cannot_answer_by_post() -> None:
    one = viewer("w")
    tally = TakedownCounter([one])
    tally.left(one)
    tally.posted("w", had=True)
    assert counts(tally) == (1, 0, 0, 1)


def test_who_comes_later_counts_with_its_answer() -> None:
    """It came back with an older position, and was told then; or it polls."""
    late = viewer()
    tally = TakedownCounter([])
    tally.answered(late, had=True)
    tally.answered(late, had=True)
    tally.posted("poll", had=False)
    tally.posted("poll", had=False)
    tally.left(viewer())
    assert counts(tally) == (2, 1, 2, 0)


def test_by_partner() -> None:
    here = [viewer(partner="p_a"), viewer(partner="p_a"), viewer("w", partner="p_b"), viewer()]
    tally = TakedownCounter(here)
    tally.answered(here[0], had=True)
    tally.left(here[1])
    tally.posted("w", had=False)
    assert {partner: counts(tally, partner) for partner in tally.by_partner} == {
        "p_a": (2, 1, 1, 1),
        "p_b": (1, 0, 1, 0),
        "": (1, 0, 0, 0),
    }


def test_a_closed_one_keeps_its_counts_and_nobody() -> None:
    one, other, third = viewer(), viewer("w"), viewer("x")
    tally = TakedownCounter([one, other, third])
    tally.answered(one, had=True)
    tally.close()
    tally.answered(other, had=True)
    tally.posted("w", had=True)
    tally.left(third)
    assert counts(tally) == (3, 1, 1, 0)
    assert [len(kept) for kept in (tally._waiting, tally._answered, tally._words, tally._done)] == [0] * 4


def test_no_viewer_is_held_once_it_has_left() -> None:
    here = [viewer(str(number)) for number in range(10)]
    tally = TakedownCounter(here)
    for number, sink in enumerate(here):
        if number % 2:
            tally.answered(sink, had=True)
        tally.left(sink)
    assert [*tally._waiting, *tally._answered, *tally._words] == []


def test_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takedown_counter_module, "WORDS_MAX", 3)
    tally = TakedownCounter([])
    for number in range(10):
        tally.posted(str(number), had=False)
    assert counts(tally) == (3, 0, 3, 0)


def test_those_who_were_asked_count_beyond_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers' words don't keep a viewer from confirming."""
    monkeypatch.setattr(takedown_counter_module, "WORDS_MAX", 3)
    tally = TakedownCounter([viewer("v"), viewer("w")])
    for word in ("1", "2", "3", "4", "v", "w", "w", "5"):
        tally.posted(word, had=False)
    assert (counts(tally), waiting(tally.by_partner)) == ((5, 0, 5, 0), 0)


def test_nodes_add_up() -> None:
    here, there = (
        {"": ConfirmationCounts(3, 1, 2, 1)},
        {"": ConfirmationCounts(5, 2, 2, 0), "p_a": ConfirmationCounts(1, 0, 0, 0)},
    )
    assert total([here, there]) == {"": ConfirmationCounts(8, 3, 4, 1), "p_a": ConfirmationCounts(1, 0, 0, 0)}
    assert here == {"": ConfirmationCounts(3, 1, 2, 1)}
    assert waiting(total([here, there])) == 4
