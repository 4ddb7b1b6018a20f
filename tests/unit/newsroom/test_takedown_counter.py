"""One node's part of a takedown: who was asked, and what became of them."""

from __future__ import annotations

import tracemalloc
from dataclasses import astuple
from typing import TYPE_CHECKING

from liveserver.domain.audience import ConfirmationCounts
from liveserver.newsroom import takedown_counter as takedown_counter_module
from liveserver.newsroom.takedown_counter import ReplyIds, TakedownCounter, total, waiting
from tests.support.viewers import ListSink

if TYPE_CHECKING:
    import pytest


def viewer(reply_id: str = "", partner: str = "") -> ListSink:
    viewer = ListSink()
    viewer.reply_id, viewer.partner = reply_id, partner
    return viewer


def counts(counter: TakedownCounter, partner: str = "") -> tuple[int, ...]:
    """Asked, had, confirmed, gone."""
    return astuple(counter.by_partner[partner])


def test_connected_viewers_are_asked() -> None:
    here = [viewer() for _ in range(4)]
    counter = TakedownCounter(here)
    assert (counts(counter), waiting(counter.by_partner)) == ((4, 0, 0, 0), 4)
    counter.answered(here[0], had=True)
    counter.answered(here[1], had=False)
    counter.left(here[2])
    assert (counts(counter), waiting(counter.by_partner)) == ((4, 1, 2, 1), 1)


def test_only_the_first_answer_counts() -> None:
    one, other = viewer(), viewer("w")
    counter = TakedownCounter([one, other])
    for had in (True, False, True):
        counter.answered(one, had=had)
        counter.posted("w", had=had)
        counter.answered(other, had=had)
    assert counts(counter) == (2, 2, 2, 0)


def test_words() -> None:
    """As a set has them: each once, all told from one another, none left when they are forgotten."""
    words, some = ReplyIds(), [f"{number:012x}" for number in range(20_000)]
    for reply_id in [*some, *some]:
        words.add(reply_id)
    assert len(words) == len(some)
    assert all(reply_id in words for reply_id in some)
    assert not any(reply_id.upper() + "z" in words for reply_id in some)
    words.clear()
    assert (len(words), some[0] in words) == (0, False)


def test_what_is_posted_takes_up_little() -> None:
    """A stranger may post words without end, each as long and as wide as may be."""
    many = 20_000
    tracemalloc.start()
    try:
        counter = TakedownCounter([])
        before, _ = tracemalloc.get_traced_memory()
        for number in range(many):
            counter.posted(f"{number:063}😀", had=True)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counts(counter) == (many, many, many, 0)
    assert (after - before) / many < 60


def test_a_viewer_that_answered_and_left_has_answered() -> None:
    one, other = viewer(), viewer("w")
    counter = TakedownCounter([one, other])
    counter.answered(one, had=True)
    counter.posted("w", had=True)
    counter.left(one)
    counter.left(other)
    counter.posted("w", had=True)
    assert counts(counter) == (2, 2, 2, 0)


def test_a_viewer_that_left_without_a_word_cannot_answer_by_post() -> None:
    one = viewer("w")
    counter = TakedownCounter([one])
    counter.left(one)
    counter.posted("w", had=True)
    assert counts(counter) == (1, 0, 0, 1)


def test_a_viewer_that_comes_later_counts_with_its_answer() -> None:
    """It came back with an older position, and was told then; or it polls."""
    late = viewer()
    counter = TakedownCounter([])
    counter.answered(late, had=True)
    counter.answered(late, had=True)
    counter.posted("poll", had=False)
    counter.posted("poll", had=False)
    counter.left(viewer())
    assert counts(counter) == (2, 1, 2, 0)


def test_by_partner() -> None:
    here = [viewer(partner="p_a"), viewer(partner="p_a"), viewer("w", partner="p_b"), viewer()]
    counter = TakedownCounter(here)
    counter.answered(here[0], had=True)
    counter.left(here[1])
    counter.posted("w", had=False)
    assert {partner: counts(counter, partner) for partner in counter.by_partner} == {
        "p_a": (2, 1, 1, 1),
        "p_b": (1, 0, 1, 0),
        "": (1, 0, 0, 0),
    }


def test_a_closed_one_keeps_its_counts_and_nobody() -> None:
    one, other, third = viewer(), viewer("w"), viewer("x")
    counter = TakedownCounter([one, other, third])
    counter.answered(one, had=True)
    counter.close()
    counter.answered(other, had=True)
    counter.posted("w", had=True)
    counter.left(third)
    assert counts(counter) == (3, 1, 1, 0)
    assert [
        len(kept) for kept in (counter._waiting, counter._answered, counter._by_reply_id, counter._answered_ids)
    ] == [0] * 4


def test_no_viewer_is_held_once_it_has_left() -> None:
    here = [viewer(str(number)) for number in range(10)]
    counter = TakedownCounter(here)
    for number, one in enumerate(here):
        if number % 2:
            counter.answered(one, had=True)
        counter.left(one)
    assert [*counter._waiting, *counter._answered, *counter._by_reply_id] == []


def test_words_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takedown_counter_module, "REPLY_IDS_MAX", 3)
    counter = TakedownCounter([])
    for number in range(10):
        counter.posted(str(number), had=False)
    assert counts(counter) == (3, 0, 3, 0)


def test_viewers_that_were_asked_count_beyond_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers' words don't keep a viewer from confirming."""
    monkeypatch.setattr(takedown_counter_module, "REPLY_IDS_MAX", 3)
    counter = TakedownCounter([viewer("v"), viewer("w")])
    for reply_id in ("1", "2", "3", "4", "v", "w", "w", "5"):
        counter.posted(reply_id, had=False)
    assert (counts(counter), waiting(counter.by_partner)) == ((5, 0, 5, 0), 0)


def test_nodes_add_up() -> None:
    here, there = (
        {"": ConfirmationCounts(3, 1, 2, 1)},
        {"": ConfirmationCounts(5, 2, 2, 0), "p_a": ConfirmationCounts(1, 0, 0, 0)},
    )
    assert total([here, there]) == {"": ConfirmationCounts(8, 3, 4, 1), "p_a": ConfirmationCounts(1, 0, 0, 0)}
    assert here == {"": ConfirmationCounts(3, 1, 2, 1)}
    assert waiting(total([here, there])) == 4
