"""The check that a request to the desk comes from the desk's own pages, and not from a page of another site.

A browser sends the session's cookie with every request, also with one that another site's page has made it send
(cross-site request forgery). Browsers name the page's origin in `Sec-Fetch-Site` (Fetch Metadata), older ones in
`Origin`.
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
    """Raise OtherSite for a request that may change something, unless a page of this very origin has sent it.

    `base_url`: the site's public address. `method`: the request's method; for a WebSocket, any method that isn't in
    `SAFE`, because a page of another site may open one.
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
