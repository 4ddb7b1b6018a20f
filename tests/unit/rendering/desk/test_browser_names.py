"""The names of browsers and systems by the User-Agent header."""

from __future__ import annotations

import pytest

from liveserver.rendering.desk.browser_names import browser_name

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (f"{MOZILLA} (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", ("Firefox", "Linux")),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0 Safari/537.36", ("Chrome", "Windows")),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0 Safari/537.36 Edg/142.0", ("Edge", "Windows")),
        (f"{MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Version/26.1 Safari/605.1.15", ("Safari", "macOS")),
        (f"{MOZILLA} (iPhone; CPU iPhone OS 26_1 like Mac OS X) Version/26.1 Mobile Safari/604.1", ("Safari", "iOS")),
        (f"{MOZILLA} (iPad; CPU OS 18_0 like Mac OS X) {WEBKIT} CriOS/142.0 Safari/604.1", ("Chrome", "iPadOS")),
        (f"{MOZILLA} (Linux; Android 16) {WEBKIT} Chrome/142.0 Mobile Safari/537.36", ("Chrome", "Android")),
        (f"{MOZILLA} (X11; CrOS x86_64 14541) {WEBKIT} Chrome/142.0 Safari/537.36", ("Chrome", "ChromeOS")),
        ("curl/8.11", (None, None)),
        ("", (None, None)),
    ],
)
def test_names(agent: str, expected: tuple[str | None, str | None]) -> None:
    assert browser_name(agent) == expected
