"""Replace the stored evaluation of a service level."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from services.worker.levels.evaluate import COLUMNS, STATES, TALLY, LevelEvaluation
from shared import failpoints
from shared.db.queries import queries

_SQL = queries("service_levels")
# Late polls and closures show after an hour. A level that was changed is due at once.
_EVERY: Final = timedelta(hours=1)
_COPY: Final = sql.SQL("copy service_level_store ({}) from stdin").format(
    sql.SQL(", ").join(map(sql.Identifier, ("name", "ago", *COLUMNS)))
)


def write_evaluations(
    conn: psycopg.Connection, name: str, revision: int, evaluations: Sequence[LevelEvaluation]
) -> bool:
    """Write all periods of a level in one transaction. Return False if it was changed or removed meanwhile."""
    with conn.transaction():
        if not _postpone(conn, name, revision):
            return False
        conn.execute(_SQL["forget_results"], {"name": name})
        for evaluation in evaluations:
            _insert(conn, name, revision, evaluation)
        failpoints.hit("level.before_commit")
    return True


def confirm_evaluations(conn: psycopg.Connection, name: str, revision: int) -> bool:
    """Note that the stored evaluations still hold. Return False if the level was changed or removed meanwhile."""
    with conn.transaction():
        conn.execute(_SQL["confirm"], {"name": name, "revision": revision})
        return _postpone(conn, name, revision)


def _postpone(conn: psycopg.Connection, name: str, revision: int) -> bool:
    asked = {"name": name, "revision": revision, "every": _EVERY}
    return conn.execute(_SQL["finish"], asked).rowcount == 1


def _insert(conn: psycopg.Connection, name: str, revision: int, evaluation: LevelEvaluation) -> None:
    conn.execute(
        _SQL["insert_result"],
        {
            "name": name,
            "revision": revision,
            "ago": evaluation.ago,
            "first_day": evaluation.dates.first,
            "last_day": evaluation.dates.last,
            "through": evaluation.through,
            "as_of": evaluation.as_of,
            "data_cut": evaluation.data_cut,
            "state": STATES[evaluation.state],
            **{each: int(getattr(evaluation.total, each)[0]) for each in TALLY},
            "days_missing": evaluation.days_missing,
            "stores": Jsonb(evaluation.count_states()),
            "stores_failed": evaluation.failed,
        },
    )
    head = f"{name}\t{evaluation.ago}\t"
    lines = (
        f"{head}{store_key}\t{STATES[state]}\t" + "\t".join(map(str, rest)) + "\n"
        for store_key, state, *rest in evaluation.rows.tolist()
    )
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(lines))
