"""Base class of JSON request bodies: refuse unknown fields and text that cannot be stored."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.json_numbers import WrittenFloat
from shared.texts import storable_throughout


class RequestBody(BaseModel):
    """Base of request bodies. Refuses NUL and lone surrogates, which Python's JSON parser accepts.

    `holds_any_text` names a field that is never stored and may have them.
    """

    # A number that no float holds, such as 1e400, would be infinite.
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    holds_any_text: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, given: Any) -> Any:
        checked = given
        if cls.holds_any_text and isinstance(given, Mapping):
            checked = {name: value for name, value in given.items() if name != cls.holds_any_text}
        storable_throughout(checked)
        return given


def must_be(what: str) -> WrapValidator:
    """Annotate a field of several types: one error says what it must be, such as "a string or a list".

    Without this, there is an error for each type, and the name of the type looks like a part of the field's name.
    """

    def check(given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            found = validate(given)
        except ValidationError:
            raise PydanticCustomError("must_be", "must be {what}", {"what": what}) from None
        # A union makes another float of it, which no longer knows how it was written.
        return given if isinstance(given, WrittenFloat) and isinstance(found, float) else found

    return WrapValidator(check)
