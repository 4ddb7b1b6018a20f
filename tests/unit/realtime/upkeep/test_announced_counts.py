"""Messages of nodes about their viewers, and how long these are believed."""

from __future__ import annotations

import orjson
import pytest

from liveserver.realtime.upkeep.announced_counts import SLUGS_MAX, AnnouncedCounts


def two() -> tuple[AnnouncedCounts, AnnouncedCounts]:
    return AnnouncedCounts("here"), AnnouncedCounts("there")


def tell(speaker: AnnouncedCounts, listener: AnnouncedCounts, now: float = 0, **here: int) -> None:
    """One says how many viewers it has, and the other hears it."""
    for message in speaker.announcements(here):
        listener.take(message, now)


def test_what_a_node_says_replaces_what_it_said() -> None:
    here, there = two()
    tell(there, here, match=3, final=1)
    tell(there, here, match=5, final=1)
    assert (here.elsewhere("match"), here.elsewhere("final"), here.elsewhere("unknown")) == (5, 1, 0)


def test_nodes_add_up() -> None:
    here, there = two()
    tell(there, here, match=3)
    tell(AnnouncedCounts("yonder"), here, match=4)
    assert here.elsewhere("match") == 7


def test_a_node_does_not_count_itself() -> None:
    here, _ = two()
    tell(here, here, match=3)
    assert here.elsewhere("match") == 0


def test_the_last_viewer_to_leave_is_told_of_once() -> None:
    here, there = two()
    tell(there, here, match=3)
    assert [orjson.loads(message)["viewers"] for message in there.announcements({})] == [{"match": 0}]
    assert there.announcements({}) == []
    tell(there, here, match=2)
    tell(there, here)
    assert here.elsewhere("match") == 0


def test_a_node_that_says_nothing_is_forgotten() -> None:
    here, there = two()
    tell(there, here, now=1, match=3)
    tell(AnnouncedCounts("yonder"), here, now=4, match=4)
    here.forget(1)
    assert here.elsewhere("match") == 7
    here.forget(4)
    assert here.elsewhere("match") == 4
    here.forget(5)
    assert here.elsewhere("match") == 0


def test_nothing_is_kept_of_live_blogs_without_viewers() -> None:
    here, there = two()
    for number in range(100):
        tell(there, here, **{f"live-{number}": 1})
    here.forget(0)
    assert len(here._elsewhere) == 1


def test_while_nothing_could_be_heard_nobody_is_forgotten() -> None:
    here, there = two()
    tell(there, here, now=1, match=3)
    here.renew(100)
    here.forget(98)
    assert here.elsewhere("match") == 3


def test_many_live_blogs_are_told_in_several_messages() -> None:
    here, there = two()
    counts = {f"live-{number}": number + 1 for number in range(2 * SLUGS_MAX + 1)}
    messages = there.announcements(counts)
    assert len(messages) == 3
    for message in messages:
        here.take(message, 0)
    assert all(here.elsewhere(slug) == count for slug, count in counts.items())


@pytest.mark.parametrize(
    "message",
    [
        *(b"", b"nonsense", b"[]", b"3", b"null", b"{}", b'{"node":"x"}', b'{"node":"x","viewers":[1]}', b"\xff"),
        *(b'{"node":"x","viewers":{"match":null}}', b'{"node":"x","viewers":{"match":"many"}}'),
    ],
)
def test_what_cannot_be_read_is_ignored(message: bytes) -> None:
    here, _ = two()
    here.take(message, 0)
    assert here.elsewhere("match") == 0
