"""Reading our cookie among those of others, and what doesn't count as ours."""

from __future__ import annotations

import pytest

from liveserver.access.people.cookies import COOKIES_MAX, cookie_in

OTHERS = (
    *("x=a b c", "a,b=c", 'a="unclosed', 'a="b; c"', "é=1", "=x", "=", "a", ";;;", "", " ", "path=/x", "expires=1"),
    *("$Version=1", "a=b=c", "a\x0bb=c", "__Host-liveserver=x", "Liveserver=x", "liveserver-x=y", "liveserver"),
)


@pytest.mark.parametrize("other", OTHERS)
def test_cookies_of_others_hide_nothing(other: str) -> None:
    """Before ours, after it, and on both sides."""
    for header in (f"{other}; liveserver=ours", f"liveserver=ours; {other}", f"{other};liveserver=ours;{other}"):
        assert cookie_in(header, "liveserver") == "ours", header
    assert cookie_in(other, "liveserver") is None


@pytest.mark.parametrize("space", ["\xa0", "\x0b", "\x0c", "\x1c", "\x85", "\u2003", "\r", "\n", '"'])
def test_a_name_with_another_space_around_it_is_another_name(space: str) -> None:
    for name in (f"{space}liveserver", f"liveserver{space}"):
        assert cookie_in(f"{name}=theirs", "liveserver") is None
        assert cookie_in(f"liveserver=ours; {name}=theirs", "liveserver") == "ours"


def test_spaces_and_tabs_are_no_part_of_name_or_value() -> None:
    assert cookie_in(" \t liveserver\t = \tours ", "liveserver") == "ours"
    assert cookie_in("liveserver=", "liveserver") == ""
    assert cookie_in("liveserver=a=b", "liveserver") == "a=b"


def test_of_several_the_last_counts() -> None:
    """A cookie for one path only is sent before ours, whoever has set it."""
    assert cookie_in("liveserver=theirs; liveserver=ours", "liveserver") == "ours"


def test_a_header_that_is_too_long_counts_as_none() -> None:
    ours = "liveserver=ours;"
    assert cookie_in(ours + "a" * (COOKIES_MAX - len(ours)), "liveserver") == "ours"
    assert cookie_in(ours + "a" * (COOKIES_MAX - len(ours) + 1), "liveserver") is None
    assert cookie_in(None, "liveserver") is None
