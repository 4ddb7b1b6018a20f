"""Who is at work on a live blog, with a clock that the test moves."""

from __future__ import annotations

from liveserver.newsroom.desk.presence import LIFETIME, PEOPLE_MAX, DeskPresence
from liveserver.protocol.desk_messages import DeskState, Person

ENTRY = "0192c0de-0000-7000-8000-000000000001"


def here(name: str, entry: str | None = None) -> Person:
    return Person(f"u_{name}", name, entry, DeskState.HERE)


def writing(name: str, entry: str | None = ENTRY) -> Person:
    return Person(f"u_{name}", name, entry, DeskState.WRITING)


def told(one: DeskPresence, other: DeskPresence, now: float) -> None:
    """Let one node's announcement reach another."""
    other.take("match", "one", one.announcement("match", now), now)


def test_people_are_listed_by_name_with_their_last_word() -> None:
    presence = DeskPresence()
    assert presence.said("match", 1, here("Zoé"), 0)
    assert presence.said("match", 2, here("Ada"), 0)
    assert presence.said("match", 2, writing("Ada"), 1)
    presence.said("other", 3, here("Bo"), 1)
    assert presence.people("match", 1) == [writing("Ada"), here("Zoé")]


def test_a_word_that_says_nothing_new_is_only_remembered() -> None:
    presence = DeskPresence()
    presence.said("match", 1, here("Ada"), 0)
    assert not presence.said("match", 1, here("Ada"), LIFETIME - 1)
    assert presence.people("match", LIFETIME + 1) == [here("Ada")]
    assert presence.said("match", 1, here("Ada"), 3 * LIFETIME)


def test_two_streams_of_a_person_are_two_lines_only_if_they_differ() -> None:
    presence = DeskPresence()
    for stream, person in enumerate([here("Ada"), here("Ada"), writing("Ada")]):
        presence.said("match", stream, person, 0)
    assert presence.people("match", 0) == [here("Ada"), writing("Ada")]


def test_a_person_is_gone_when_the_stream_leaves_or_says_nothing_more() -> None:
    presence = DeskPresence()
    presence.said("match", 1, here("Ada"), 0)
    presence.said("match", 2, here("Bo"), 5)
    assert presence.people("match", LIFETIME - 0.1) == [here("Ada"), here("Bo")]
    assert presence.people("match", LIFETIME) == [here("Bo")]
    presence.left("match", 2)
    presence.left("match", 2)
    assert presence.people("match", LIFETIME) == []


def test_other_nodes_count_from_the_last_word_and_not_from_the_announcement() -> None:
    """So a person of a node that died is gone as early as one of a node that lives."""
    one, two = DeskPresence(), DeskPresence()
    one.said("match", 1, here("Ada"), 0)
    told(one, two, 20)
    assert two.people("match", LIFETIME - 0.1) == [here("Ada")]
    assert two.people("match", LIFETIME) == []


def test_an_announcement_replaces_the_one_before() -> None:
    one, two = DeskPresence(), DeskPresence()
    one.said("match", 1, here("Ada"), 0)
    told(one, two, 0)
    one.left("match", 1)
    told(one, two, 1)
    assert two.people("match", 1) == []


def test_nodes_that_died_are_forgotten() -> None:
    one, two = DeskPresence(), DeskPresence()
    one.said("match", 1, here("Ada"), 0)
    told(one, two, 0)
    two.forget(LIFETIME - 0.1)
    assert two._elsewhere
    two.forget(LIFETIME)
    assert two._elsewhere == {}


def test_lists_and_announcements_are_bounded() -> None:
    one, two = DeskPresence(), DeskPresence()
    for number in range(PEOPLE_MAX + 5):
        one.said("match", number, here(f"Ada {number:03}"), number / 1000)
    assert len(one.people("match", 1)) == PEOPLE_MAX
    announced = one.announcement("match", 1)
    assert (len(announced), announced[0]["name"]) == (PEOPLE_MAX, f"Ada {PEOPLE_MAX + 4}")
    two.take("match", "one", [*announced, *announced], 1)
    assert sum(map(len, two._elsewhere["match"].values())) == PEOPLE_MAX


def test_what_cannot_be_read_is_left_out() -> None:
    presence = DeskPresence()
    good = {**here("Ada")._asdict(), "age": 1}
    bad = [None, 3, {}, {**good, "age": -1}, {**good, "age": "1"}, {**good, "state": "asleep"}, {**good, "entry": 3}]
    presence.take("match", "one", [*bad, good], 0)
    assert presence.people("match", 0) == [here("Ada")]
