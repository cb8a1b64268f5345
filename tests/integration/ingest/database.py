"""Helpers of the ingest tests: load a file, check that counts add up, read tables as plain values."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from services.ingest.run import Limits, LoadOptions, ingest_paths
from services.ingest.write.import_result import ImportResult

POLLS_HEADER = "store_id,status,timestamp_utc"
Poll = tuple[str, str, str]


def load(
    database_url: str, file: Path, rows: Iterable[str], chunk_bytes: int = Limits.chunk_bytes
) -> ImportResult:
    """Write these lines to a file, load it, and check that every row is counted everywhere."""
    file.write_bytes(("\n".join(rows) + "\n").encode("utf-8", "surrogateescape"))
    (result,) = ingest_paths(
        database_url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=chunk_bytes))
    )
    check_ledger(database_url)
    return result


def load_polls(
    database_url: str, file: Path, polls: Iterable[Poll], chunk_bytes: int = Limits.chunk_bytes
) -> ImportResult:
    return load(
        database_url, file, [POLLS_HEADER, *(",".join(poll) for poll in polls)], chunk_bytes=chunk_bytes
    )


def counts(result: ImportResult) -> tuple[int, int, int, int]:
    """Return accepted, duplicate, corrected and rejected rows, and check their sum."""
    found = (result.accepted, result.duplicate, result.corrected, result.rejected)
    assert result.rows_read == sum(found)
    return found


def observations(database_url: str) -> Mapping[tuple[str, str], bool]:
    with psycopg.connect(database_url) as conn:
        rows = conn.execute(
            "select store_id, to_char(observed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), is_active"
            " from observation join store using (store_key)"
        ).fetchall()
    found = {(store_id, at): active for store_id, at, active in rows}
    assert len(found) == len(rows)
    return found


def check_ledger(database_url: str) -> None:
    """Check the invariants that hold while no import runs."""
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from import_pending").fetchone() == (0,)
        unindexed = conn.execute(
            "select count(*) from pg_inherits where inhparent = 'observation'::regclass"
            " and not exists (select from pg_index where indrelid = inhrelid and indisunique)"
        ).fetchone()
        assert unindexed == (0,)
        accepted, polls = conn.execute(
            "select (select coalesce(sum(accepted), 0) from import where kind = 'polls'),"
            " (select count(*) from observation)"
        ).fetchall()[0]
        assert accepted == polls
        assert conn.execute(
            "select count(*) from import where rejected <> (select count(*) from import_reject where import_id = import.id)"
            # Rejected items of hooks beyond a limit are only counted.
            " + (select coalesce(sum(rejected - rejects_kept), 0) from hook where rejects_of = import.id)"
        ).fetchone() == (0,)
        assert conn.execute(
            "select count(*) from store left join (select store_key, min(observed_at) as first from observation"
            " group by store_key) o using (store_key)"
            " where first is distinct from first_polled_at or (first is null) <> (polled_since_seq is null)"
        ).fetchone() == (0,)
        # A week that was sealed or opened took a number, and a batch of such a job may have left its week as it was.
        assert conn.execute(
            "select count(*) from ledger_head, lateral (select seq - (select count(*) from import_chunk) as moves) other"
            " where moves not between 0 and (select count(*) from report_batch join report on report.id = report_id"
            "  where kind in ('seal', 'unseal') and report_batch.state = 'done')"
            " or latest_observed_at is distinct from (select max(observed_at) from observation)"
        ).fetchone() == (0,)


def check_sessions(database_url: str) -> None:
    """Check that the server ended no session by itself, as it does with one that waits for another of the same process."""
    with psycopg.connect(database_url) as conn:
        fatal = conn.execute("select sessions_fatal from pg_stat_database where datname = current_database()")
        assert fatal.fetchone() == (0,)


@contextmanager
def unchanged(database_url: str) -> Iterator[None]:
    """Check that the block leaves every row of every table as it was, and the numbers that it would be given next."""
    before = _read_all(database_url)
    yield
    after = _read_all(database_url)
    changed = [name for name in after.keys() | before.keys() if after.get(name) != before.get(name)]
    assert not changed, changed


def _read_all(database_url: str) -> Mapping[str, object]:
    """Return all rows of each table as text, sorted, and the last number of each sequence.

    Numbers of staged rows only order the rows of one import, so they may be used up. A running service notes each minute
    that its spool is there.
    """
    with psycopg.connect(database_url) as conn:
        tables = conn.execute(
            "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
            " and relname <> 'spool'"
        ).fetchall()
        found: dict[str, object] = {
            name: conn.execute(
                sql.SQL("select {0}::text from {0} order by 1").format(sql.Identifier(name))
            ).fetchall()
            for (name,) in tables
        }
        numbers = conn.execute("select sequencename, last_value from pg_sequences")
        return found | {name: last for name, last in numbers if not name.startswith("import_staged")}
