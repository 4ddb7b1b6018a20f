"""The names of browsers and systems, by the User-Agent header: enough for people to recognise their own sessions."""

from __future__ import annotations

from typing import NamedTuple

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""Pairs of a word and a browser's name. The first pair whose word is in the header gives the name.

The order matters: the header of Edge, for example, also has the word `Chrome/`.
"""
_SYSTEMS = (
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


class BrowserName(NamedTuple):
    """The names of a browser and of the system on which it runs; None where the header doesn't tell."""

    browser: str | None
    system: str | None


def browser_name(agent: str) -> BrowserName:
    """Return the names of the browser and the system in a User-Agent header."""
    return BrowserName(_first(agent, _BROWSERS), _first(agent, _SYSTEMS))


def _first(agent: str, names: tuple[tuple[str, str], ...]) -> str | None:
    return next((name for word, name in names if word in agent), None)
