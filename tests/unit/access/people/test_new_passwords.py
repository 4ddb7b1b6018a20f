"""Which new passwords are too easy to guess."""

from __future__ import annotations

import pytest

from liveserver.access.people.passwords import BadPassword, check_new

COMMON = """
    password123 Password1234 password12345678 passwordpassword p@ssw0rd123 azerty12345 azerty1234567890 azertyuiop
    qwerty12345 qwertyuiop1 1q2w3e4r5t 1qaz2wsx3edc motdepasse1 MotDePasse2026! bonjour2026 bonjour-bonjour
    12345678910 1234567890 0123456789 9876543210 1234567890a a1234567890 abcdefghij liveserver liveserver2026
    rédaction2026 administrateur1 summer2026! iloveyou2026 poiuytreza
""".split()  # noqa: SIM905
GOOD = """
    la-mer-monte-à-minuit correct-horse-battery azertyx-9fk2lw7 7fg!93-0271kd x9k2-4411-8820 password-of-a-lighthouse
    vacances-à-la-plage 7395028461 motdepasse-hérisson
""".split()  # noqa: SIM905


@pytest.mark.parametrize("password", COMMON)
def test_what_everybody_tries_first(password: str) -> None:
    with pytest.raises(BadPassword) as refused:
        check_new(password, "Ada")
    assert refused.value.reason == "guessable"


@pytest.mark.parametrize("password", GOOD)
def test_what_nobody_guesses(password: str) -> None:
    check_new(password, "Ada")


def test_the_present_one_is_no_new_one() -> None:
    with pytest.raises(BadPassword) as refused:
        check_new(GOOD[0], "Ada", present=GOOD[0])
    assert refused.value.reason == "same"
    check_new(GOOD[0], "Ada", present=GOOD[1])
