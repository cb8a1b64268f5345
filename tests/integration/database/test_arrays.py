"""Arrays in the binary format arrive as they were given."""

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from shared.clock import from_us
from shared.db.arrays import instant_array, int_array, key_array, text_array

_VALUES = {
    "none": [],
    "one": [7],
    "several": [3, -1, 0, 2**31 - 1, -(2**31)],
}
_LARGE = [2**63 - 1, -(2**63), 0]


@pytest.mark.parametrize("values", _VALUES.values(), ids=list(_VALUES))
def test_keys_and_numbers(database_url: str, values: list[int]) -> None:
    given = [key_array(values), key_array(np.array(values, dtype=np.int64)), int_array(values)]
    with psycopg.connect(database_url) as conn:
        row = conn.execute(
            "select %s, %s, %s, pg_typeof(%s)::text, pg_typeof(%s)::text", (*given, *given[1:])
        )
        assert row.fetchone() == (values, values, values, "integer[]", "bigint[]")


def test_large_numbers(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select %s", (int_array(_LARGE),)).fetchone() == (_LARGE,)


@pytest.mark.parametrize("values", [[], ["a"], ["", "caf\u00e9", '"', "{}", "NULL", "a,b", "x" * 1000]])
def test_texts(database_url: str, values: list[str]) -> None:
    with psycopg.connect(database_url) as conn:
        row = conn.execute("select %(texts)s, pg_typeof(%(texts)s)::text", {"texts": text_array(values)})
        assert row.fetchone() == (values, "text[]")


@pytest.mark.parametrize("step", [1, 1_000_003])
def test_instants(database_url: str, step: int) -> None:
    instants_us: NDArray[np.int64] = np.array([0, 946_684_800_000_000, 1_728_950_118_727_055]) + step
    with psycopg.connect(database_url, options="-c timezone=UTC") as conn:
        row = conn.execute("select %s", (instant_array(instants_us),)).fetchone()
        assert row == ([from_us(instant) for instant in instants_us.tolist()],)
