"""Two headers: `If-Match` names the version that a client edited; `Idempotency-Key` shows that a request is a retry."""

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


def version_of(request: Request, *, required: bool, or_any: bool = True) -> EntityVersion | None:
    """Return the version that the `If-Match` header names; None if the header is `*`, or if there is no header.

    `required`: True if the request must have the header. `or_any`: False if the caller accepts no `*`, so that the
    problem of a missing header mustn't propose it. Raises PreconditionRequired if a required header is missing.
    Raises InvalidInput unless the value is `*`, one entity tag of a version, or a version's number in quotation marks.
    """
    header = request.headers.get("if-match")
    if header is None:
        if required:
            alternative = ", or * to overwrite whatever is there" if or_any else ""
            raise PreconditionRequired(f"send If-Match with the ETag you read{alternative}")
        return None
    if header.strip() == "*":
        return None
    version = parse_version_tag(header.strip())
    if version is None:
        forms = 'must be one ETag, with its quotation marks: "k3f9x2ab-3", or the version alone: "3"; or *'
        raise InvalidInput([FieldError("If-Match", forms)])
    return version


def idempotency_key_of(request: Request) -> str | None:
    """Return the value of the `Idempotency-Key` header; None if there is no such header.

    Raises InvalidInput unless the value has 1 to 255 characters, all of them visible ASCII.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidInput([FieldError("Idempotency-Key", "must be 1 to 255 visible ASCII characters")])
    return key
