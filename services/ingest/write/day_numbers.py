"""How the staged files of a delivery number the days of the week.

Rejected rows are evidence too, while they are staged, if their store is known or has a valid row.
"""

from collections.abc import Mapping
from uuid import UUID

import psycopg

from services.ingest.import_result import NAMED_CULPRITS
from services.ingest.parse.days import NumbersUsed, describe_unclear, refuse_mixed
from services.ingest.write.staged_rows import read_delivery, read_numbers
from shared.errors import BadInputFile
from shared.texts import first_of

Numbers = Mapping[UUID, NumbersUsed]


class DaysUnclear(BadInputFile):
    """Files of a delivery have neither day 0 nor day 7, and the others differ. `imports`: the names of these files."""

    def __init__(self, message: str, imports: Mapping[UUID, str]) -> None:
        super().__init__("day_numbers", message)
        self.imports = imports


def check_own_numbers(conn: psycopg.Connection, import_id: UUID) -> Numbers:
    """Return how a file numbers the days. Raise `BadInputFile` if its days contradict each other."""
    numbers = read_numbers(conn, [import_id])
    if import_id in numbers:
        refuse_mixed(numbers[import_id])
    return numbers


def check_numbers(conn: psycopg.Connection, import_id: UUID) -> Numbers:
    """Return how each file of its delivery does. Raise `BadInputFile` if its days contradict each other, and `DaysUnclear`."""
    names = read_delivery(conn, import_id)
    numbers = read_numbers(conn, list(names))
    if import_id in numbers:
        refuse_mixed(numbers[import_id])
    _refuse_unclear(names, numbers)
    return numbers


def _refuse_unclear(names: Mapping[UUID, str], numbers: Numbers) -> None:
    zero = next((names[file] for file, used in numbers.items() if used.zero), None)
    seven = next((names[file] for file, used in numbers.items() if used.seven), None)
    silent = {file: names[file] for file, used in numbers.items() if used.is_silent}
    if zero and seven and silent:
        named = first_of(list(silent.values()), NAMED_CULPRITS)
        raise DaysUnclear(describe_unclear(named, zero, seven, are_many=len(silent) > 1), silent)
