"""Rows of poll files, and what an import left in the tables."""

import psycopg

from services.ingest.write.import_result import ImportResult

HOURS = "store_id,day,start_time_local,end_time_local"
TINY = 400  # bytes of a chunk: ten polls


def tables(database_url: str) -> tuple[int, ...]:
    """Count the rows of the tables that an import may change."""
    with psycopg.connect(database_url) as conn:
        (found,) = conn.execute(
            "select (select count(*) from store), (select count(*) from observation),"
            " (select count(*) from business_hours), (select count(*) from import_chunk),"
            " (select count(*) from import_reject), (select count(*) from import_staged), (select seq from ledger_head)"
        )
    return tuple(found)


def error_of(database_url: str, result: ImportResult) -> dict[str, object]:
    with psycopg.connect(database_url) as conn:
        ((error,),) = conn.execute("select error from import where id = %s", [result.id])
    assert isinstance(error, dict)
    return error


def good(number: int) -> str:
    return f"store-{number},active,2024-09-02 00:00:00 UTC"


def bad(number: int) -> str:
    return f"store-{number},broken,2024-09-02 00:00:00 UTC"
