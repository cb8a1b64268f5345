"""What every JSON body that FastAPI parses has in common: no unknown field, and no text that cannot be stored."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from shared.texts import storable_throughout


class RequestBody(BaseModel):
    """Base of the bodies of requests. Python's JSON takes NUL and halves of surrogate pairs; these refuse them."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, given: Any) -> Any:
        storable_throughout(given)
        return given
