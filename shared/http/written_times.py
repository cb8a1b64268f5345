"""Dates and instants of requests. They are text: pydantic alone would read a number as seconds since 1970."""

import re
from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?[\d_]*\.?\d*\s*")


def _require_date(given: object) -> object:
    # A date and time would lose its time, and be the wrong date in another zone.
    if isinstance(given, date) or (isinstance(given, str) and _DATE.fullmatch(given)):
        return given
    raise PydanticCustomError("date_type", "not a date")


def _require_instant(given: object) -> object:
    if isinstance(given, date) or (isinstance(given, str) and not _NUMBER.fullmatch(given)):
        return given
    raise PydanticCustomError("datetime_type", "not an instant")


WrittenDate = Annotated[date, BeforeValidator(_require_date)]
WrittenInstant = Annotated[AwareDatetime, BeforeValidator(_require_instant)]
