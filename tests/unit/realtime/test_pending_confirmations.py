"""Deletions that are to be confirmed, from the asking on until they are forgotten."""

from __future__ import annotations

from liveserver.realtime.pending_confirmations import PendingConfirmations


def test_what_is_asked_is_pending_until_it_is_forgotten() -> None:
    pending = PendingConfirmations()
    assert pending.within("a") is None
    pending.ask("a", 5_000)
    pending.ask("b", 7_000)
    assert (pending.within("a"), pending.within("b"), pending.within("c")) == (5_000, 7_000, None)
    pending.forget("a")
    assert (pending.within("a"), pending.within("b")) == (None, 7_000)


def test_the_last_word_counts() -> None:
    pending = PendingConfirmations()
    pending.ask("a", 5_000)
    pending.ask("a", 6_000)
    assert pending.within("a") == 6_000


def test_to_forget_what_was_never_asked_is_no_error() -> None:
    pending = PendingConfirmations()
    pending.forget("a")
    pending.ask("a", 5_000)
    pending.forget("a")
    pending.forget("a")
    assert pending.within("a") is None
