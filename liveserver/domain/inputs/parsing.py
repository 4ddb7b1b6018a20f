"""The parsing of JSON into models. If fields are bad, one error names all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import (
    BaseModel,
    ValidationError,
)

from liveserver.domain.errors import FieldError, InvalidInput

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


InputType = TypeVar("InputType", bound=BaseModel)

FIELDS_MAX = 100
"""The greatest number of fields of an input, known and unknown fields together. An input with more fields is refused.
All models have far fewer fields."""
ERRORS_MAX = 50
"""The greatest number of bad fields that an error names one by one. If more are bad, the error states how many more."""


def parse(kind: type[InputType], data: object, *, prefix: str = "/", beside: tuple[str, ...] = ()) -> InputType:
    """Return `data`, which was decoded from JSON, as an instance of the model `kind`.

    Raises InvalidInput, which names all bad fields. `prefix`: the beginning of the names of bad fields in this error,
    before the path of the field. `beside`: the names of fields that `kind` doesn't have, but that the client may send,
    too. The caller parses these fields elsewhere. If the client sent an unknown field, the error lists all known
    fields, also the fields in `beside`.
    """
    if isinstance(data, dict) and len(data) > FIELDS_MAX:
        raise InvalidInput([FieldError("", f"has {len(data)} fields; at most {FIELDS_MAX}")])
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=False)
        errors = [FieldError(_pointer(prefix, e["loc"]), _detail(kind, e, beside)) for e in details[:ERRORS_MAX]]
        if len(details) > ERRORS_MAX:
            errors.append(FieldError("", f"{len(details) - ERRORS_MAX} more fields are bad"))
        raise InvalidInput(errors) from None


def _pointer(prefix: str, location: tuple[int | str, ...]) -> str:
    """Return the JSON pointer of a field (RFC 6901), which begins with `prefix`. Return an empty string if `location`
    is empty, because the error is about the whole input."""
    if not location:
        return ""
    return prefix + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _detail(kind: type[BaseModel], error: ErrorDetails, beside: tuple[str, ...]) -> str:
    """Return in words what is wrong with a field. If the field is unknown, the text lists the fields that a client may
    send instead."""
    if error["type"] == "extra_forbidden":
        *above, _ = error["loc"]
        for name in above:
            annotation = kind.model_fields[str(name)].annotation
            [kind] = [each for each in (annotation, *get_args(annotation)) if hasattr(each, "model_fields")]
        known = [*(() if above else beside), *kind.model_fields]
        return f"is not a field here; there are {', '.join(known)}"
    return _lower_first(error["msg"])


def _lower_first(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
