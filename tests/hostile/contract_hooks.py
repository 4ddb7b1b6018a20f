"""Settings of schemathesis, so that not every request is for something that isn't there. It loads this module."""

from __future__ import annotations

import os
from typing import Any
from zlib import crc32

import schemathesis

NOWHERE = "https://127.0.0.1:9/live/x"
"""An address to which the server makes no connection."""


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Three of four requests are for the live blog, the entry and the partner that there are."""
    if not path_parameters:
        return path_parameters
    kind = next((kind for kind in ("entries", "partners") if f"/{kind}/" in context.operation.path), "")
    known = {"slug": os.environ["KNOWN_SLUG"], "id": os.environ.get(f"KNOWN_{kind.upper()}")}
    return {
        name: known[name] if known.get(name) and crc32(str(value).encode("utf-8", "replace")) % 4 else value
        for name, value in path_parameters.items()
    }


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Nothing elsewhere is followed."""
    if context.operation.path.endswith("/source") and isinstance(body, dict) and "url" in body:
        return {**body, "url": NOWHERE}
    return body
