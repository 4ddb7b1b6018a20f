"""The headers `If-Match`, the version that was edited, and `Idempotency-Key`, by which retries are recognised."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.http.problems import PreconditionRequired
from liveserver.http.responses.entity_tags import parse_version_tag

if TYPE_CHECKING:
    from starlette.requests import Request

    from liveserver.domain.ids import EntityVersion


_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


def version_of(request: Request, *, required: bool) -> EntityVersion | None:
    """Return the edition that `If-Match` names; None for `*`, or without the header.

    Raises PreconditionRequired without the header if it is `required`, and InvalidInput if it isn't one tag.
    """
    header = request.headers.get("if-match")
    if header is None:
        if required:
            raise PreconditionRequired("send If-Match with the ETag you read, or * to overwrite whatever is there")
        return None
    if header.strip() == "*":
        return None
    edition = parse_version_tag(header.strip())
    if edition is None:
        forms = 'must be one ETag, with its quotation marks: "k3f9x2ab-3", or the version alone: "3"; or *'
        raise InvalidInput([FieldError("If-Match", forms)])
    return edition


def idempotency_key_of(request: Request) -> str | None:
    """Return the `Idempotency-Key`; None if none was sent. Raises InvalidInput for characters that it can't have."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidInput([FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")])
    return key
