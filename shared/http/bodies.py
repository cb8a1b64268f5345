"""Base class of JSON request bodies: refuse unknown fields and text that cannot be stored."""

from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from shared.texts import storable_throughout


class RequestBody(BaseModel):
    """Base of request bodies. Refuses NUL and lone surrogates, which Python's JSON parser accepts."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, given: Any) -> Any:
        storable_throughout(given)
        return given


def must_be(what: str) -> WrapValidator:
    """Annotate a field of several types: one error says what it must be, such as "a string or a list".

    Without this, there is an error for each type, and the name of the type looks like a part of the field's name.
    """

    def check(given: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(given)
        except ValidationError:
            raise PydanticCustomError("must_be", "must be {what}", {"what": what}) from None

    return WrapValidator(check)
