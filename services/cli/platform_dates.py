"""Refuse a platform's file whose dates contradict the given date format: others would be compared at wrong dates."""

from collections.abc import Sequence
from datetime import datetime
from shlex import quote

from shared.date_orders import list_other_orders, prove_other_order
from shared.errors import InvalidRequest
from shared.texts import quoted


def refuse_other_order(times: Sequence[tuple[int, str]], date_format: str) -> None:
    """Raise `InvalidRequest` if dates can only be read in another order of day and month. `times` have their lines."""
    strays = [(line, text) for line, text in times if not _fits(text, date_format)]
    for other in list_other_orders(date_format) if strays else ():
        only_other = [(line, text) for line, text in strays if _fits(text, other)]
        only_given = sum(_fits(text, date_format) and not _fits(text, other) for _, text in times)
        if prove_other_order(only_given, len(only_other)):
            line, text = only_other[0]
            raise InvalidRequest(
                f"the date format {date_format} does not fit {quoted(text)} in line {line:,}, which {other} reads: day and month"
                f" are swapped, or written in two orders. Give --date-format {quote(other)}, or write all dates in one order"
            )


def _fits(text: str, date_format: str) -> bool:
    try:
        datetime.strptime(text, date_format)  # noqa: DTZ007
    except ValueError:
        return False
    return True
