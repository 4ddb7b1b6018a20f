"""The headers that tell browsers what this server's pages may do. Each kind of page has its own headers.

The headers allow a page only what the page uses. So if the sanitiser lets a script through by mistake, browsers don't
run the script. The pages work without the headers, too.
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
"""The names of the Trusted Types policies that the reader's page allows its scripts to create. The scripts
`web/src/dom/trusted-types.ts` and `web/src/reader/register-worker.ts` create them."""

UNUSED = (
    *("accelerometer", "camera", "clipboard-read", "display-capture", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "local-fonts", "magnetometer", "microphone", "midi", "payment", "publickey-credentials-create"),
    *("publickey-credentials-get", "screen-wake-lock", "serial", "usb", "window-management", "xr-spatial-tracking"),
)
"""Browser features that our pages, and the frames in them, don't use.

Some features aren't in the list, and so stay allowed. Readers need `clipboard-write` and `web-share` to share an
address. The frame of an embed gets `autoplay`, `encrypted-media`, `fullscreen` and `picture-in-picture` when the reader
opens it (`allow` in web/src/reader/third-party-embeds.ts).
"""


PERMISSIONS_POLICY = ", ".join(f"{feature}=()" for feature in UNUSED)
"""The Permissions-Policy that forbids all features in `UNUSED`."""

KEPT_APART = "same-origin"
"""A Cross-Origin-Opener-Policy. The page's window and the windows of other sites get no reference to each other."""

OPENED_BY_NONE = "same-origin-allow-popups"
"""A Cross-Origin-Opener-Policy. A site that opens the page in a window gets no reference to that window. But frames in
the page may open windows and speak with them, as some embeds do to let people sign in."""


def everywhere(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers that every answer has.

    `X-Content-Type-Options` forbids browsers to guess content types. `Strict-Transport-Security` (HSTS) forbids
    browsers to use plain HTTP. HSTS is sent if the public URL begins with `https://`, unless the operator has turned it
    off. HSTS holds for this host alone, and not for its subdomains, as we don't know what is served there.
    """
    headers = [(b"x-content-type-options", b"nosniff")]
    # HSTS is sent only if the operator has set a public URL, as it holds for the host name on every port.
    if settings.hsts and (settings.public_url or "").startswith("https://"):
        headers.append((b"strict-transport-security", b"max-age=%d" % settings.hsts))
    return headers


def reader(urls: Urls, embed_providers: EmbedProviders) -> Headers:
    """Return the headers of the reader's pages. A frame in such a page may load only sites of `embed_providers`."""
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
    """Return the headers of the widget's page for frames.

    `ancestors`: the origins of the sites that may frame the page, as `frame-ancestors` has them. `style`: the text of
    the style sheet within the page; empty if there is none. The Content-Security-Policy names this server's origin in
    addition to `'self'`: in a sandboxed frame, the page's own origin is null, and `'self'` matches nothing.
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
    # Without this rule, any page may frame this one. The rule `*` would exclude pages whose origin is null.
    if ancestors != "*":
        rules.append(f"frame-ancestors {ancestors}")
    return {
        "Content-Security-Policy": _policy(*rules),
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Permissions-Policy": PERMISSIONS_POLICY,
        "Referrer-Policy": "strict-origin-when-cross-origin",
    }


FRAGMENT = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
"""The headers of the fragment, which other sites put into their pages. If somebody opens the fragment's own address,
the browser loads no scripts, styles or pictures for the fragment."""

REACH = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": KEPT_APART,
    "Permissions-Policy": PERMISSIONS_POLICY,
    # The page's address has a secret, which no other site may learn.
    "Referrer-Policy": "no-referrer",
}
"""The headers of the page of a live blog's reach. That page is opened by a signed link, and has no script."""

DESK = {
    # The desk's scripts write no HTML: they need no policy of Trusted Types.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": KEPT_APART,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}={'(self)' if feature.startswith('publickey-credentials-') else '()'}" for feature in UNUSED
    ),
    # The desk's own pages are told as referrers to the desk only. Without any referrer, browsers would send forms with
    # the origin `null`, and `http/desk/same_site.py` would refuse them.
    "Referrer-Policy": "same-origin",
}
"""The headers of the desk's pages, on which people sign in. Passkeys may be used there."""

DOCS = {
    # Swagger UI sets style attributes, shows its icons from data: URLs, and writes HTML (with DOMPurify).
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": KEPT_APART,
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Referrer-Policy": "no-referrer",
}
"""The headers of the API's documentation, a page into which people type an API key."""

FILE = {"Content-Security-Policy": "default-src 'none'; sandbox"}
"""The headers of a picture's file. If a browser showed the file as a page, this page could load nothing and run no
script."""


def _policy(*rules: str) -> str:
    return "; ".join(rules)


def _origin(url: str) -> str:
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc}"


def _digest(style: str) -> str:
    """Return the hash of a style sheet, by which a Content-Security-Policy allows it (CSP 3, 2.3.1)."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
