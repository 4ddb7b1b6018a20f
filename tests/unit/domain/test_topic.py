"""The topics that viewers follow."""

from __future__ import annotations

from liveserver.domain.topic import Topic


def test_those_with_equal_topics_share() -> None:
    """Of the same slug, tags and delay it is the same key, whoever made it."""
    assert {Topic("a"): 1}[Topic("a", (), 0)] == 1
    assert len({Topic("a"), Topic("a", ("x",)), Topic("a", (), 3), Topic("a", ("x",), 3), Topic("b")}) == 5


def test_no_slug_is_a_view() -> None:
    """However it is written, and whatever it looks like."""
    views = {Topic("a", ("x",)), Topic("a", (), 3)}
    assert views.isdisjoint({Topic("a?delay=3"), Topic("a?delay=0&tag=x"), Topic("a&tag=x")})
    assert not Topic("a?delay=3").is_edition
    assert all(view.is_edition for view in views)


def test_what_it_shows() -> None:
    """An entry with one of the tags; with none, every entry."""
    assert Topic("a", ("x",)).shows(["y", "x"])
    assert not Topic("a", ("x",)).shows(["y"])
    assert not Topic("a", ("x",)).shows([])
    assert Topic("a").shows([])
