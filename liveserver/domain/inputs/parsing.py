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
"""The greatest number of top-level fields of an input, unknown fields included. An input with more is refused, and the
error doesn't name the fields. All models have far fewer fields."""
ERRORS_MAX = 50
"""The greatest number of bad fields that an error names one by one. If more are bad, the error states how many more."""


def parse(kind: type[InputType], data: object, *, prefix: str = "/", beside: tuple[str, ...] = ()) -> InputType:
    """Return `data`, which was decoded from JSON, as an instance of the model `kind`.

    `prefix`: in the error, the name of a bad field is this prefix and the field's path. `beside`: the names of further
    fields that the client may send. The caller has removed them from `data`, and parses them elsewhere. Raises
    InvalidInput, which names all bad fields. If the client sent an unknown field, the error lists the known fields,
    including those in `beside`.
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
    """Return the name of a bad field: `prefix`, and the field's path, written as in a JSON pointer (RFC 6901).

    Return "" if `location` is empty, because the error is about the whole input.
    """
    if not location:
        return ""
    return prefix + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _detail(kind: type[BaseModel], error: ErrorDetails, beside: tuple[str, ...]) -> str:
    """Return a text that says what is wrong with a field.

    If the field is unknown, the text lists the known fields of the object that contains it.
    """
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
