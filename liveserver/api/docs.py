"""`/openapi.json`, and `/docs` where it can be browsed and tried (Swagger UI, served from here)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from liveserver import wire
from liveserver.api.openapi import document
from liveserver.api.requests import answer

if TYPE_CHECKING:
    from starlette.requests import Request

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>liveserver: the API</title>
<link rel="stylesheet" href="/static/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<noscript>The document itself: <a href="/openapi.json">/openapi.json</a></noscript>
<script src="/static/docs/swagger-ui-bundle.js"></script>
<script src="/static/docs/docs-init.js"></script>
</body>
</html>
"""

# Swagger UI sets style attributes and shows its icons from data: URLs.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'"
)


async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    # A document that names another address than the one it was fetched from can't be tried out from the browser.
    return answer(request, wire.dumps(document(str(request.base_url).rstrip("/"))))


async def docs(request: Request) -> Response:
    """The document in Swagger UI."""
    return HTMLResponse(
        PAGE, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Cache-Control": "public, max-age=300"}
    )


DOCS_ROUTES = [
    Route("/openapi.json", openapi),
    Route("/docs", docs),
]
