"""Whose pages may show something."""

from __future__ import annotations

import pytest

from liveserver.domain.inputs import origins


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("https://www.exemple.fr", "https://www.exemple.fr"),
        ("https://WWW.Exemple.fr/", "https://www.exemple.fr"),
        ("https://exemple.fr:443", "https://exemple.fr"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("https://*.exemple.fr", "https://*.exemple.fr"),
        ("https://été.example", "https://xn--t-9fab.example"),
        ("null", "null"),
    ],
)
def test_patterns(given: str, meant: str) -> None:
    assert origins.pattern(given) == meant


@pytest.mark.parametrize(
    "given",
    [
        *("", "*", "https://", "exemple.fr", "ftp://a.example", "https://a.example/path", "https://a.example?q"),
        *("https://u@a.example", "https://*", "https://a.*.example", "https://*a.example", "https://a.example:x"),
        *("https://a.example; script-src *", "https://a .example", "https://a.example'", "javascript:alert(1)"),
    ],
)
def test_no_patterns(given: str) -> None:
    """Among them whatever would mean something else in a Content-Security-Policy."""
    with pytest.raises(ValueError, match="must be an origin"):
        origins.pattern(given)


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "https://A.example", True),
        ("https://a.example", "http://a.example", False),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "https://a.example.evil.example", False),
        ("https://*.a.example", "https://b.a.example", True),
        ("https://*.a.example", "https://c.b.a.example", True),
        ("https://*.a.example", "https://a.example", False),
        ("https://*.a.example", "https://evila.example", False),
        ("https://*.a.example", "https://.a.example", False),
        ("https://*.a.example", "http://b.a.example", False),
        ("https://*.a.example:8443", "https://b.a.example:8443", True),
        ("https://a.example", "null", False),
        ("null", "null", True),
    ],
)
def test_matching(pattern: str, origin: str, allowed: bool) -> None:
    assert origins.allows([pattern], origin) is allowed
    assert not origins.allows([], origin)


def test_frame_ancestors() -> None:
    """The same in a policy; pages without an origin have no name there."""
    assert origins.frame_ancestors(["https://a.example", "null"]) == "'self' https://a.example"
    assert origins.frame_ancestors([]) == "'self'"
