"""The page to which a sign-in leads: always one of the desk's own."""

from __future__ import annotations

import pytest

from liveserver.http.desk.pages.destination import DESTINATION_MAX, destination


@pytest.mark.parametrize(
    "text",
    [
        "/desk",
        "/desk/account",
        "/desk/marees",
        "/desk/marees/entries/0192c0de-0000",
        "/desk?cursor=a_b-c%3D",
        "/desk/joinville",
    ],
)
def test_pages_of_the_desk(text: str) -> None:
    assert destination(text) == text


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "/",
        "/live/marees",
        "//evil.example",
        "///evil.example/desk",
        "/\\evil.example",
        "\\\\evil.example",
        "/desk\\evil.example",
        "/desk@evil.example",
        "/desk:80@evil.example",
        "/desk.evil.example",
        "/desk//evil.example",
        "/desk/..//evil.example",
        "/desk/../live",
        "/desk/./..",
        "/desk/%2e%2e/live",
        "/desk/%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "/%2Fevil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "https://evil.example",
        "https://live.test/desk",
        "https:evil.example",
        "https:/desk",
        "javascript:alert(1)",
        "/desk\r\nSet-Cookie: a=b",
        "/desk\n",
        "\t/desk",
        " /desk",
        "/desk\x00",
        "/desk\u2028",
        "/de\tsk",
        "/desk/é",
        "/desk#//evil.example",
        "/desk?next=//evil.example",
        "/DESK",
        "/desk/signin",
        "/desk/signin?next=/desk",
        "/desk/signout",
        "/desk/join",
        "/desk/api/v1/session",
        "/desk/" + "a" * DESTINATION_MAX,
    ],
)
def test_what_is_no_page_of_the_desk(text: str | None) -> None:
    """Addresses of other hosts in all their disguises, other pages, and pages that would lead in a circle."""
    assert destination(text) == "/desk"
