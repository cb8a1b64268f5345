"""How the staged files of a delivery number the days of the week.

Rejected rows are evidence too, while they are staged, if their store is known or has a valid row.
"""

from collections.abc import Mapping
from uuid import UUID

import psycopg

from services.ingest.parse.days import NumbersUsed, refuse_mixed, refuse_unclear
from services.ingest.write.staged_rows import read_delivery, read_numbers

Numbers = Mapping[UUID, NumbersUsed]


def check_own_numbers(conn: psycopg.Connection, import_id: UUID) -> Numbers:
    """Return how a file numbers the days. Raise `BadInputFile` if its days contradict each other."""
    numbers = read_numbers(conn, [import_id])
    if import_id in numbers:
        refuse_mixed(numbers[import_id])
    return numbers


def check_numbers(conn: psycopg.Connection, import_id: UUID) -> Numbers:
    """Return how each file of its delivery does. Raise `BadInputFile` if its days, or those of the delivery, contradict."""
    names = read_delivery(conn, import_id)
    numbers = read_numbers(conn, list(names))
    if import_id in numbers:
        refuse_mixed(numbers[import_id])
    refuse_unclear([(names[file], used) for file, used in numbers.items()])
    return numbers
