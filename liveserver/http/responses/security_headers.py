"""What browsers are told to forbid the pages of this server, kind by kind, in headers: all of them are made here.

A page gets what it uses and nothing else, so that a mistake elsewhere, in sanitising above all, stays one without
consequences. Nothing here is needed for a page to be right; everything for it to stay so.
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
"""The reader's page's policies of Trusted Types, which `web/src/dom/trusted-types.ts` and `register-worker.ts` make."""

UNUSED = (
    *("accelerometer", "camera", "clipboard-read", "display-capture", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment", "publickey-credentials-create"),
    *("publickey-credentials-get", "screen-wake-lock", "serial", "usb", "window-management", "xr-spatial-tracking"),
)
"""Features that neither our pages use nor the frames in them.

Not named, and so the page's own: `clipboard-write` and `web-share`, to hand an address on; and `autoplay`,
`encrypted-media`, `fullscreen` and `picture-in-picture`, which an embed's frame is given when the reader opens it
(`allow`, web/src/reader/third-party-embeds.ts).
"""

PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in UNUSED)

KEPT_APART = "same-origin"
"""Of Cross-Origin-Opener-Policy: no window of another site has a hold of this one, nor this one of theirs."""

OPENED_BY_NONE = "same-origin-allow-popups"
"""The same, but frames may open windows and speak with them: those of embeds do, for people to sign in."""


def everywhere(settings: Settings) -> list[tuple[bytes, bytes]]:
    """What every answer carries: no guessing of content types, and no way back from HTTPS to HTTP.

    The latter is for this host alone, as we don't know what else its neighbours serve.
    """
    headers = [(b"x-content-type-options", b"nosniff")]
    # Not for an address that is made up of what we listen on: the promise holds for the host name on every port.
    if settings.hsts and (settings.public_url or "").startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=%d" % settings.hsts))
    return headers


def reader(urls: Urls, embed_providers: EmbedProviders) -> Headers:
    """The headers of the reader's pages, whose frames are those of embeds: a reader opens them with a click."""
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
    """The headers of the page that partners show in a frame. Its origin may be null, for which `'self'` isn't enough.

    `ancestors`: the origins of pages that may show it, as `frame-ancestors` wants them. `style`: the text of the one
    style sheet that stands in the page itself, if there is one.
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
    # Not even `*` stands for pages whose origin is null: they may show what anybody may where nothing is said.
    if ancestors != "*":
        rules.append(f"frame-ancestors {ancestors}")
    return {
        "Content-Security-Policy": _policy(*rules),
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Permissions-Policy": PERMISSIONS_POLICY,
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }


FRAGMENT = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
"""Of HTML for other sites' pages, which opened by itself is no page of ours."""

REACH = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": KEPT_APART,
    "Permissions-Policy": PERMISSIONS_POLICY,
    # The link is what opens the page.
    "Referrer-Policy": "no-referrer",
}
"""Of the page that a link opens, which has no script."""

DOCS = {
    # Swagger UI sets style attributes, shows its icons from data: URLs, and writes HTML (with DOMPurify).
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": KEPT_APART,
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Referrer-Policy": "no-referrer",
}
"""Of the page on which an API key is typed."""

FILE = {"Content-Security-Policy": "default-src 'none'; sandbox"}
"""Of a picture: should a browser ever take one for something else, it can do nothing."""


def _policy(*rules: str) -> str:
    return "; ".join(rules)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _digest(style: str) -> str:
    """What a policy says of a style sheet (CSP 3, 2.3.1)."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
