"""Base class of JSON request bodies: refuse unknown fields and text that cannot be stored."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from shared.texts import storable_throughout


class RequestBody(BaseModel):
    """Base of request bodies. Refuses NUL and lone surrogates, which Python's JSON parser accepts."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, given: Any) -> Any:
        storable_throughout(given)
        return given
