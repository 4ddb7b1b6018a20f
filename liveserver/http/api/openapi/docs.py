"""The API's documentation: the document `/openapi.json`, and the page `/docs`, on which people read and try the API.

The page is Swagger UI. This server sends the files of Swagger UI itself. `/api/v1` redirects to the page.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from liveserver.http.api.openapi.document import document
from liveserver.http.api.requests.answers import PUBLIC_CACHE
from liveserver.http.container import services
from liveserver.http.responses import security_headers
from liveserver.http.responses.prebuilt import respond
from liveserver.http.responses.representation import Representation
from liveserver.protocol import json_encoding

if TYPE_CHECKING:
    from starlette.requests import Request

# The page's links are relative, as the public URL may have a path that a proxy removes.
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>liveserver: the API</title>
<link rel="stylesheet" href="static/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>The document itself: <a href="openapi.json">/openapi.json</a></noscript>
<script src="static/docs/swagger-ui-bundle.js"></script>
<script src="static/docs/docs-init.js"></script>
</body>
</html>
"""


async def openapi(request: Request) -> Response:
    """Answer with the OpenAPI document."""
    # If no public URL is set, the document names the address `/`, which is relative to the document. The address isn't
    # taken from the Host header: a client may send any host, and caches keep this document for others.
    return respond(request.scope, _document(services(request).settings.public_url or "/"))


@lru_cache(maxsize=1)
def _document(address: str) -> Representation:
    """Return the OpenAPI document as a representation.

    `address`: the server's address, as for `document`. The last result is kept, as making it takes some milliseconds.
    """
    return Representation(json_encoding.dumps(document(address)), "application/json", {"Cache-Control": PUBLIC_CACHE})


async def docs(request: Request) -> Response:
    """Answer with the page of Swagger UI."""
    return HTMLResponse(PAGE, headers={**security_headers.DOCS, "Cache-Control": "public, max-age=300"})


async def to_docs(request: Request) -> Response:
    """Redirect `/api/v1`, which people open in a browser, to the page that describes the API."""
    # The redirect is relative, as the links of that page are.
    return RedirectResponse("../docs", 307)


DOCS_ROUTES = [
    Route("/api/v1", to_docs),
    Route("/openapi.json", openapi),
    Route("/docs", docs),
]
