"""The check that a request to the desk comes from the desk's own pages, and not from a page of another site.

A browser may send the session's cookie even if a page of another site has caused the request (cross-site request
forgery). In `Sec-Fetch-Site`, a browser says whether the page has the same origin as the desk (Fetch Metadata). Older
browsers send only `Origin`, which names the page's origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from liveserver.domain.errors import OtherSite

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods of requests that change nothing. Other sites may link to the desk's pages."""


def check_origin(connection: HTTPConnection, base_url: str, method: str) -> None:
    """Check that a request that may change something comes from a page of the desk's own origin.

    Raises OtherSite if the request's headers don't show this.
    `base_url`: the site's public address. `method`: the request's method. For a WebSocket, pass a method that isn't in
    `SAFE`: browsers let pages of other sites open WebSockets, too.
    """
    if method in SAFE:
        return
    headers = connection.headers
    if (site := headers.get("sec-fetch-site")) is not None:
        if site == "same-origin":
            return
        raise OtherSite(
            f"a page of another site sent this (Sec-Fetch-Site: {site[:20]}): the desk takes nothing from it"
        )
    public = urlsplit(base_url)
    if headers.get("origin") == f"{public.scheme}://{public.netloc}":
        return
    raise OtherSite(
        "this needs `Sec-Fetch-Site: same-origin`, or the desk's own address as `Origin`: browsers send one of them"
    )
