"""Check the reasons that a report is to exclude: that they exist, and that the polls which gave them are still there."""

from collections.abc import Sequence

from psycopg import AsyncConnection

from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.inputs.data_range import DataRange
from shared.texts import quoted

_SQL = queries("notes")


async def refuse_unknown_reasons(
    conn: AsyncConnection, words: Sequence[str], field: str = "exclude_reasons"
) -> None:
    """Raise `InvalidRequest` with the first word that was never a reason. Stored polls can still have removed words."""
    if not words:
        return
    cursor = await conn.execute(_SQL["unknown_words"], {"words": list(words)})
    if row := await cursor.fetchone():
        raise InvalidRequest(
            f"unknown reason {quoted(row[0])}: `uptill reasons list` and GET /v1/reasons show the reasons",
            field=field,
        )


async def refuse_dropped_weeks(conn: AsyncConnection, needed: DataRange) -> None:
    """Raise `InvalidRequest` if retention has dropped polls of the range. Their daily facts know no reasons."""
    cursor = await conn.execute(_SQL["dropped_within"], needed._asdict())
    if row := await cursor.fetchone():
        raise InvalidRequest(
            f"retention has dropped polls of the windows, the last ones of the week of {row[0]:%Y-%m-%d}, and with them"
            " their reasons: leave exclude_reasons out, or request windows after that week",
            field="exclude_reasons",
        )
