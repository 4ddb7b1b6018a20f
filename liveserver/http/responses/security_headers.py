"""The headers by which browsers restrict this server's pages. All of them are made here, one set for each kind of page.

A page is allowed what it uses and nothing else, so that a mistake elsewhere, in sanitising above all, has no
consequences. Pages work without these headers: they are a second line of defence.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from liveserver.content.embed_providers import EmbedProviders
    from liveserver.rendering.urls import Urls
    from liveserver.settings import Settings

Headers = dict[str, str]

TRUSTED = "liveserver liveserver-worker"
"""The Trusted Types policies of the reader's page. `web/src/dom/trusted-types.ts` and `register-worker.ts` make
them."""

UNUSED = (
    *("accelerometer", "camera", "clipboard-read", "display-capture", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment", "publickey-credentials-create"),
    *("publickey-credentials-get", "screen-wake-lock", "serial", "usb", "window-management", "xr-spatial-tracking"),
)
"""Browser features that neither our pages nor the frames in them use.

Some features aren't in the list, and so stay allowed: `clipboard-write` and `web-share`, to hand an address on; and
`autoplay`, `encrypted-media`, `fullscreen` and `picture-in-picture`, which an embed's frame is given when the reader
opens it (`allow`, web/src/reader/third-party-embeds.ts).
"""

PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in UNUSED)

KEPT_APART = "same-origin"
"""A Cross-Origin-Opener-Policy: this window and those of other sites have no reference to each other."""

OPENED_BY_NONE = "same-origin-allow-popups"
"""A Cross-Origin-Opener-Policy that lets frames open windows and speak with them: embeds do, for people to sign in."""


def everywhere(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers of every answer: against guessed content types, and with HTTPS, against going back to HTTP.

    HSTS is for this host alone and not for its subdomains, as we don't know what they serve.
    """
    headers = [(b"x-content-type-options", b"nosniff")]
    # Only with a public URL that was set: the promise holds for the host name on every port.
    if settings.hsts and (settings.public_url or "").startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=%d" % settings.hsts))
    return headers


def reader(urls: Urls, embed_providers: EmbedProviders) -> Headers:
    """Return the headers of the reader's pages. Only embeds may be framed: a reader opens each with a click."""
    return {
        "Content-Security-Policy": _policy(
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src 'self' {_origin(urls.media)}",
            "connect-src 'self'",
            "worker-src 'self'",
            f"frame-src {' '.join(embed_providers.frame_sources)}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "require-trusted-types-for 'script'",
            f"trusted-types {TRUSTED}",
        ),
        "Cross-Origin-Opener-Policy": OPENED_BY_NONE,
        "Permissions-Policy": PERMISSIONS_POLICY,
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }


def frame(urls: Urls, ancestors: str = "*", style: str = "") -> Headers:
    """Return the headers of the page that partners show in a frame.

    `ancestors`: the origins of pages that may show it, as `frame-ancestors` has them. `style`: the text of the one
    style sheet within the page, if there is one. The page's origin may be null, so `'self'` wouldn't be enough.
    """
    origin = _origin(urls.home)
    rules = [
        "default-src 'none'",
        f"script-src 'self' {origin}",
        f"style-src 'self' {origin}" + (f" 'sha256-{_digest(style)}'" if style else ""),
        f"connect-src 'self' {origin} {origin.replace('http', 'ws', 1)}",
        f"img-src 'self' {origin} {_origin(urls.media)}",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
    # Without the rule, any page may show it. With `*`, pages whose origin is null couldn't: `*` doesn't cover them.
    if ancestors != "*":
        rules.append(f"frame-ancestors {ancestors}")
    return {
        "Content-Security-Policy": _policy(*rules),
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Permissions-Policy": PERMISSIONS_POLICY,
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }


FRAGMENT = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
"""The headers of HTML that other sites put into their pages: opened by itself, it may load nothing."""

REACH = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": KEPT_APART,
    "Permissions-Policy": PERMISSIONS_POLICY,
    # The page's address is a secret: no other site may learn it.
    "Referrer-Policy": "no-referrer",
}
"""The headers of the page of audience figures, which a signed link opens and which has no script."""

DOCS = {
    # Swagger UI sets style attributes, shows its icons from data: URLs, and writes HTML (with DOMPurify).
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": KEPT_APART,
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Referrer-Policy": "no-referrer",
}
"""The headers of the API's documentation, on which people type an API key."""

FILE = {"Content-Security-Policy": "default-src 'none'; sandbox"}
"""The headers of a picture's file: if a browser ever took it for a page, that page could do nothing."""


def _policy(*rules: str) -> str:
    return "; ".join(rules)


def _origin(url: str) -> str:
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc}"


def _digest(style: str) -> str:
    """Return the hash by which a policy allows a style sheet (CSP 3, 2.3.1)."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
