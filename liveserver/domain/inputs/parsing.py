"""From JSON to a model, or to an error that names every bad field at once."""

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
"""Fields of one input, known or not, beyond which it isn't looked at: ten times those of the largest."""
ERRORS_MAX = 50
"""Bad fields that are named one by one."""


def parse(kind: type[InputType], data: object, *, prefix: str = "/", beside: tuple[str, ...] = ()) -> InputType:
    """`data` as a `kind`; raises InvalidInput, naming every bad field by `prefix` and its path (of many, the first).

    `beside`: fields that were sent with these, and are told with them where one is sent that isn't there.
    """
    if isinstance(data, dict) and len(data) > FIELDS_MAX:
        raise InvalidInput([FieldError("", f"has {len(data)} fields; at most {FIELDS_MAX}")])
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        errors = [FieldError(_pointer(prefix, e["loc"]), _what(kind, e, beside)) for e in found[:ERRORS_MAX]]
        if len(found) > ERRORS_MAX:
            errors.append(FieldError("", f"{len(found) - ERRORS_MAX} more fields are bad"))
        raise InvalidInput(errors) from None


def _pointer(prefix: str, location: tuple[int | str, ...]) -> str:
    """RFC 6901: the whole document is named by the empty pointer, and `/` and `~` in names are escaped."""
    if not location:
        return ""
    return prefix + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _what(kind: type[BaseModel], error: ErrorDetails, beside: tuple[str, ...]) -> str:
    """The error of a field, in words; for an unknown field, with the names of the known ones."""
    if error["type"] == "extra_forbidden":
        *above, _ = error["loc"]
        for name in above:
            annotation = kind.model_fields[str(name)].annotation
            [kind] = [each for each in (annotation, *get_args(annotation)) if hasattr(each, "model_fields")]
        there = [*(() if above else beside), *kind.model_fields]
        return f"is not a field here; there are {', '.join(there)}"
    return _words(error["msg"])


def _words(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
