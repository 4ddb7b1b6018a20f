"""The reckoning finds what was lost, doubled and brought back, and excuses what nobody was told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.ledger import Item, Ledger, body_of
from tests.faults.reading import Broken

Message = dict[str, Any]


def stored(mark: str, *, name: str | None = None, seq: int | None = 1, version: int = 1, heading: str = "") -> Message:
    return {"id": name or mark, "body": body_of(mark, 20), "seq": seq, "version": version, "heading": heading or mark}


def a_ledger() -> tuple[Ledger, Item]:
    """With one entry, acknowledged as the first change."""
    ledger = Ledger("match", titles={"Le match"})
    item = ledger.begin("a", "a")
    ledger.created(item, stored("a"), 0.0)
    return ledger, item


def check(ledger: Ledger, *entries: Message, seq: int, title: str = "Le match") -> None:
    ledger.check({"title": title}, entries, seq)


def broken(ledger: Ledger, *entries: Message, seq: int, title: str = "Le match") -> str:
    with pytest.raises(Broken) as caught:
        check(ledger, *entries, seq=seq, title=title)
    return caught.value.kind


def test_what_was_acknowledged_is_there_once() -> None:
    ledger, _ = a_ledger()
    check(ledger, stored("a"), seq=1)
    assert broken(ledger, seq=1) == "lost"
    assert broken(ledger, stored("a"), stored("a", name="b"), seq=2) == "doubled"
    assert broken(ledger, stored("a", name="b"), seq=1) == "doubled"
    assert broken(ledger, stored("a", heading="b"), seq=1) == "lost"
    assert broken(ledger, stored("a"), seq=2) == "doubled"
    assert broken(ledger, stored("a"), seq=0) == "lost"
    assert broken(ledger, stored("a"), seq=1, title="Autre chose") == "lost"
    assert broken(ledger, stored("a"), stored("x"), seq=2) == "doubled"


def test_what_was_not_answered_is_there_or_not() -> None:
    ledger, _ = a_ledger()
    ledger.create_open(ledger.begin("b", "b"))
    check(ledger, stored("a"), seq=1)
    check(ledger, stored("a"), stored("b"), seq=2)
    assert broken(ledger, stored("a"), stored("b"), stored("b", name="c"), seq=3) == "doubled"
    assert broken(ledger, stored("a"), stored("b"), seq=3) == "doubled"


def test_edits() -> None:
    ledger, item = a_ledger()
    ledger.edited(item, stored("a", seq=2, version=2, heading="second"), 0.0)
    ledger.edit_open(item, "third")
    check(ledger, stored("a", heading="second"), seq=2)
    check(ledger, stored("a", heading="third"), seq=3)
    assert broken(ledger, stored("a"), seq=2) == "lost"
    assert not item.editable
    with pytest.raises(Broken):
        ledger.edited(item, stored("a", seq=3, version=2), 0.0)


def test_deletions() -> None:
    ledger, item = a_ledger()
    ledger.delete_open(item)
    check(ledger, stored("a"), seq=1)
    check(ledger, seq=2)
    ledger, item = a_ledger()
    ledger.deleted(item, 0.0)
    check(ledger, seq=2)
    assert broken(ledger, stored("a"), seq=2) == "undeleted"


def test_titles() -> None:
    ledger, _ = a_ledger()
    ledger.rename_open("Le derby")
    check(ledger, stored("a"), seq=1)
    check(ledger, stored("a"), seq=2, title="Le derby")
    ledger.renamed({"title": "La finale"}, 0.0)
    check(ledger, stored("a"), seq=2, title="La finale")
    assert broken(ledger, stored("a"), seq=2, title="Le derby") == "lost"


def test_a_scheduled_entry_is_a_change_when_its_time_has_come() -> None:
    ledger, _ = a_ledger()
    item = ledger.begin("b", "b", due=0.0)
    ledger.created(item, stored("b", seq=None), 0.0)
    assert broken(ledger, stored("a"), seq=1) == "lost"
    check(ledger, stored("a"), stored("b", seq=2), seq=2)
    assert not item.editable


def test_answers_that_contradict_each_other() -> None:
    ledger, item = a_ledger()
    ledger.created(item, stored("a"), 0.0)
    assert ledger.certain == 1
    for other in (stored("a", name="b"), stored("b", name="a")):
        with pytest.raises(Broken):
            ledger.created(item, other, 0.0)
    with pytest.raises(Broken):
        ledger.created(ledger.begin("b", "b"), stored("b", seq=1), 0.0)
