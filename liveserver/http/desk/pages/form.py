"""The forms that the desk's pages send (`application/x-www-form-urlencoded`)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from liveserver.domain.errors import FieldError, InvalidInput
from liveserver.http.api.requests.request_body import read_body
from liveserver.http.problems import UnsupportedMediaType

if TYPE_CHECKING:
    from starlette.requests import Request

MEDIA_TYPE = "application/x-www-form-urlencoded"
FORM_MAX = 8 * 1024
"""The greatest size of a form, in bytes. Our largest form has some 2 KB: a name, a password, and the path of a page."""
FIELDS_MAX = 10
"""The greatest number of fields in a form. A form with more fields is refused."""


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form, by name. If a field comes twice, the first one counts.

    Raises UnsupportedMediaType, TooLarge for more than FORM_MAX bytes, and InvalidInput if the form isn't UTF-8 or has
    more than FIELDS_MAX fields.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise UnsupportedMediaType(f"Content-Type must be {MEDIA_TYPE}")
    raw = await read_body(request, FORM_MAX)
    try:
        fields = parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise InvalidInput([FieldError("", f"the form isn't UTF-8, or has more than {FIELDS_MAX} fields")]) from None
    return dict(reversed(fields))
