"""Passwords that attackers try first: common words and keyboard rows, with digits and signs before or after them.

The words are English and French, as our pages are. The rules make many thousand passwords out of them, so this module
keeps no list of passwords.
"""

from __future__ import annotations

DECORATION_MAX = 10
"""How many digits and signs may stand around a common word, so that it is still easy to guess: `azerty1234567890`."""
ROW_MIN = 4
"""The least number of letters that stand beside each other on a keyboard or in the alphabet, to be easy to guess."""
LETTERS_MAX = 2
"""How many letters may stand around a row of digits, so that it is still easy to guess: as in `1234567890a`."""

_WORDS = frozenset(
    """
    password passwort pass secret changeme default welcome letmein login admin administrator user guest test root hello
    iloveyou princess sunshine superman batman pokemon dragon monkey master shadow football baseball basketball computer
    internet starwars whatever michael jordan charlie trustno freedom flower summer winter spring autumn january
    february march april may june july august september october november december monday friday chelsea arsenal london
    newsroom liveserver liveblog editor reporter journalist journal news media press
    motdepasse mdp bonjour bienvenue coucou salut soleil chocolat doudou loulou chouchou jetaime princesse amour maman
    papa marseille paris france lyon nicolas camille julien thomas vacances ordinateur administrateur utilisateur invite
    printemps ete automne hiver janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre
    redaction rédaction redacteur rédacteur journaliste journaux presse azerty qwerty qwertz
    """.split()  # noqa: SIM905 (a list would have a line for each word)
)
_ROWS = (
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "qwertyuiop",
    "qwertzuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "abcdefghijklmnopqrstuvwxyz",
    "qazwsxedcrfvtgbyhnujmikolp",
    "aqwzsxedcrfvtgbyhnujkiolpm",
)
_DIGITS = "012345678910" + "1234567890" * 3
_DISGUISES = str.maketrans("@431!05$7", "aaeiiosst")
"""Signs and digits that often stand for letters."""


def is_common(password: str) -> bool:
    """Return True if attackers try the password, or one made by the same rule, before all others."""
    folded = password.casefold()
    letters = "".join(filter(str.isalpha, folded))
    if len(letters) >= ROW_MIN and len(folded) - len(letters) <= DECORATION_MAX and _in_rows(letters):
        return True
    digits = "".join(filter(str.isdecimal, folded))
    if len(letters) <= LETTERS_MAX and len(digits) > 1 and (digits in _DIGITS or digits in _DIGITS[::-1]):
        return True
    core = folded.strip("0123456789 !?.,;:-_+*#$@&/")
    if len(folded) - len(core) > DECORATION_MAX:
        return False
    plain = "".join(filter(str.isalpha, core))
    return _are_words(plain) or _are_words(core.translate(_DISGUISES))


def _in_rows(letters: str) -> bool:
    return any(letters in row or letters in row[::-1] for row in _ROWS)


def _are_words(text: str) -> bool:
    """Return True if the text is a common word, or two of them: `azertyazerty`."""
    return text in _WORDS or any(text[:at] in _WORDS and text[at:] in _WORDS for at in range(2, len(text) - 1))
