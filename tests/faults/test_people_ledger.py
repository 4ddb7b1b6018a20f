"""The comparison finds each act that is lost, doubled or unexplained, and each effect that no act explains."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.ledger import body_of
from tests.faults.people_ledger import PeopleLedger, Request
from tests.faults.records import ActRow, EntryRow, Records, RevisionRow, UserRow

TEXT = body_of("ax1", 30)
STEPS = (("created", "ada", "draft"), ("submitted", "ada", "review"), ("approved", "bob", "published"))


class World:
    """Eve has invited Ada, and Ada has joined, written an entry and submitted it; Bob has approved it."""

    def __init__(self, slug: str = "desk") -> None:
        self.ledger = PeopleLedger(frozenset({"desk", "pair"}), "pair")
        self.ledger.people = {"eve": "Eve", "ada": "Ada", "bob": "Bob"}
        self.ledger.names = {"Ada"}
        self.records = Records()
        self.slug = slug
        self.invite = self.asked("eve", "user.invited", target="Ada")
        self.act("eve", "user.invited", user="ada", user_name="Ada", role="reporter")
        self.asked("ada", "user.joined", "session.began")
        self.act("ada", "user.joined")
        self.act("ada", "session.began", session="s1")
        self.records.users = [UserRow("ada", "Ada", "reporter", joined=True, disabled=False, password=True, version=1)]
        self.records.sessions = {"ada": {"s1"}}
        self.records.revisions["e1"] = []
        for action, by, status in STEPS:
            self.step(action, by, status)
        self.steps = self.ledger.requests[-3:]
        self.records.notes = {}

    def asked(self, by: str, *acts: str, target: str = "", done: int = 1, lost: int = 0, **more: Any) -> Request:
        request = self.ledger.begin(by, *acts, target=target, **more)
        request.sent, request.done = done + lost, done
        return request

    def act(self, by: str, action: str, *, version: int | None = None, **details: Any) -> None:
        act = ActRow(f"{len(self.records.acts):03}", "user", by, action, version=version, details=details)
        if action.startswith(("entry", "note")):
            act = act._replace(liveblog=self.slug, entry="e1")
        self.records.acts.append(act)

    def step(self, action: str, by: str, status: str, *, text: str = TEXT) -> None:
        """A step with the entry, as it should be."""
        version = len(self.records.revisions["e1"]) + 1
        request = self.asked(by, f"entry.{action}", target="ax1")
        request.told.append((f"entry.{action}", "version", version))
        self.act(by, f"entry.{action}", version=version)
        revision = RevisionRow(version, action, f"user:{by}", status, self.slug == "pair", text)
        self.records.revisions["e1"].append(revision)
        self.records.entries["e1"] = EntryRow("e1", self.slug, status, version, text)

    def forget(self, action: str) -> None:
        """Lose the acts of a kind."""
        self.records.acts = [act for act in self.records.acts if act.action != action]

    def user(self, **fields: Any) -> None:
        self.records.users[0] = self.records.users[0]._replace(**fields)

    @property
    def wrong(self) -> set[str]:
        return {finding.kind for finding in self.ledger.check(self.records)}


def test_nothing_is_wrong() -> None:
    world = World()
    assert world.ledger.check(world.records) == []
    assert len(world.ledger.ours(world.records)) == len(world.records.acts)


@pytest.mark.parametrize("action", ["entry.created", "entry.approved", "user.invited", "session.began", "user.joined"])
def test_a_lost_act(action: str) -> None:
    """Something was answered 2xx, and its effect is there, but not its act."""
    world = World()
    world.forget(action)
    assert "lost" in world.wrong


def test_a_lost_step() -> None:
    """Something was answered 2xx, and there is neither an effect nor an act."""
    world = World()
    world.asked("bob", "entry.edited", target="ax1")
    assert world.wrong == {"lost"}


def test_a_step_that_was_taken_twice() -> None:
    world = World()
    world.step("edited", "bob", "published")
    world.ledger.requests[-1].told.clear()
    world.step("edited", "bob", "published")
    world.ledger.requests.pop()
    assert world.wrong == {"doubled"}


def test_an_act_twice_for_one_version() -> None:
    world = World()
    world.act("bob", "entry.approved", version=3)
    assert world.wrong == {"doubled"}


def test_a_refused_request_that_left_something() -> None:
    world = World()
    world.step("edited", "bob", "published")
    request = world.ledger.requests[-1]
    request.done, request.refused = 0, 1
    request.told.clear()
    assert world.wrong == {"doubled"}


def test_an_act_that_nobody_asked_for() -> None:
    world = World()
    world.step("edited", "bob", "published")
    world.ledger.requests.pop()
    assert world.wrong == {"unexplained"}


def test_what_was_not_answered_is_there_with_its_act_or_not_at_all() -> None:
    world = World()
    world.asked("bob", "entry.edited", target="ax1", done=0, lost=2)
    assert world.wrong == set()
    world.act("bob", "entry.edited", version=4)
    assert world.wrong == {"unexplained"}
    world = World()
    world.step("edited", "bob", "published")
    request = world.ledger.requests[-1]
    request.done, request.sent = 0, 2
    request.told.clear()
    assert world.wrong == set()
    world.forget("entry.edited")
    assert world.wrong == {"lost"}


def test_what_each_try_may_do_again() -> None:
    world = World()
    world.asked("ada", "note.added", target="ax1", lost=1, once=False)
    for number in (1, 2):
        world.act("ada", "note.added", note=f"n{number}")
        world.records.notes[f"n{number}"] = ("e1", "Sûr ?")
        assert world.wrong == set()
    world.act("ada", "note.added", note="n3")
    assert world.wrong == {"doubled", "lost"}
    world.records.acts.pop()
    world.records.notes["n4"] = ("e1", "Sûr ?")
    assert world.wrong == {"unexplained"}


def test_an_entry_that_its_acts_do_not_explain() -> None:
    for wrong in ({"status": "draft"}, {"version": 4}, {"version": 2}):
        world = World()
        world.records.entries["e1"] = world.records.entries["e1"]._replace(**wrong)
        assert world.wrong
    world = World()
    world.records.revisions["e1"][2] = world.records.revisions["e1"][2]._replace(principal="user:ada")
    assert world.wrong == {"mixed"}
    world = World()
    world.step("returned", "bob", "draft")
    assert world.wrong == {"mixed"}
    world = World()
    del world.records.entries["e1"]
    assert "unexplained" in world.wrong


def test_what_an_answer_told_and_is_not_so() -> None:
    world = World()
    world.steps[-1].told = [("entry.approved", "version", 7)]
    assert world.wrong == {"lost"}


@pytest.mark.parametrize(
    "fields", [{"role": "editor"}, {"version": 2}, {"disabled": True}, {"joined": False}, {"password": False}]
)
def test_a_user_whom_no_act_has_changed(fields: dict[str, Any]) -> None:
    world = World()
    world.user(**fields)
    assert world.wrong == {"mixed"}


def test_a_link_that_was_used_twice() -> None:
    world = World()
    world.asked("ada", "user.joined", "session.began", done=0, lost=1)
    assert world.wrong == set()
    world.act("ada", "user.joined")
    world.act("ada", "session.began", session="s2")
    world.records.sessions["ada"].add("s2")
    assert world.wrong == {"mixed"}
    world = World()
    world.records.links = {"ada"}
    assert world.wrong == {"mixed"}


def test_sessions_that_should_have_ended() -> None:
    """A session outlives its user's password: the reset ends all of them."""
    world = World()
    world.asked("eve", "user.link_made", target="Ada", once=False)
    world.act("eve", "user.link_made", user="ada", user_name="Ada", kind="reset")
    world.records.links, world.records.sessions = {"ada"}, {}
    world.user(password=False)
    assert world.wrong == set()
    world.records.sessions = {"ada": {"s1"}}
    assert world.wrong == {"mixed"}
    world.records.sessions = {"ada": {"s2"}}
    world.asked("ada", "session.began", once=False)
    world.act("ada", "session.began", session="s2")
    assert world.wrong == {"mixed"}, "by a password that was void"


def test_all_other_sessions_ended() -> None:
    world = World()
    world.asked("ada", "session.began", once=False)
    world.act("ada", "session.began", session="s2")
    world.asked("ada", "session.ended_all", once=False)
    world.act("ada", "session.ended_all", count=1)
    world.ledger.leavers = {"s2"}
    assert world.wrong == {"mixed"}
    world.records.sessions = {"ada": {"s2"}}
    assert world.wrong == set()


def test_a_disabled_user_who_signs_in() -> None:
    world = World()
    world.asked("eve", "user.disabled", target="Ada")
    world.act("eve", "user.disabled", user="ada", user_name="Ada", role="reporter", changed=["disabled"])
    world.user(disabled=True, version=2)
    world.records.sessions = {}
    assert world.wrong == set()
    world.asked("ada", "session.began", once=False)
    world.act("ada", "session.began", session="s2")
    world.records.sessions = {"ada": {"s2"}}
    assert world.wrong == {"mixed"}


def test_an_erased_text_that_stands_somewhere() -> None:
    world = World()
    world.ledger.marks["e1"] = "ax1"
    world.step("erased", "bob", "deleted", text="")
    assert world.wrong == {"unerased"}
    emptied = [revision._replace(text="") for revision in world.records.revisions["e1"]]
    world.records.revisions["e1"] = emptied
    assert world.wrong == set()
    world.records.notes["n1"] = ("e1", TEXT)
    assert world.wrong == {"unerased", "unexplained"}


def test_one_person_where_two_are_needed() -> None:
    world = World("pair")
    assert world.wrong == set()
    world.step("withdrawn", "bob", "draft")
    assert world.wrong == {"alone"}
    world.records.acts.pop()
    world.asked("ada", "entry.withdrawn", target="ax1", done=0, lost=1, instead="entry.withdraw_proposed")
    world.act("ada", "entry.withdraw_proposed", version=3)
    world.act("bob", "entry.withdrawn", version=4)
    assert world.wrong == set()
    world = World("pair")
    world.records.acts[-1] = world.records.acts[-1]._replace(by="ada")
    assert "alone" in world.wrong
