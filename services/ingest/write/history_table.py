"""Tables whose rows hold from one ledger number until another, so that reports at an earlier data cut can read them.

The wanted rows are put into a temporary table. `merge` then ends the rows that they replace, and adds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, LiteralString

import psycopg
from psycopg import sql


@dataclass(frozen=True)
class HistoryTable:
    """A table of rows that hold for a time. At any time, at most one row with the same keys holds.

    `wanted` is the temporary table: the columns of the table, `outcome` (of the merge), and `is_gone` (end the row that holds).
    A replaced row hands its `kept` columns on.
    """

    name: LiteralString
    keys: tuple[LiteralString, ...]
    values: tuple[LiteralString, ...]
    kept: tuple[LiteralString, ...] = ()

    @property
    def wanted(self) -> str:
        return f"wanted_{self.name}"

    def create_wanted(self, conn: psycopg.Connection) -> None:
        """Make the temporary table for this session. It is empty at the start of each transaction."""
        statement = sql.SQL(
            "create temporary table if not exists {wanted} (like {table} including defaults, outcome text not null default 'accepted',"
            " is_gone boolean not null default false) on commit delete rows"
        )
        conn.execute(self._format(statement))

    def want_rows(
        self,
        conn: psycopg.Connection,
        seq: int,
        rows: Sequence[Mapping[str, object]],
        gone: Sequence[Mapping[str, object]],
    ) -> None:
        """Put rows into the temporary table, and rows that shall not hold any more."""
        wanted = [*((row, False) for row in rows), *((row, True) for row in gone)]
        for row, is_gone in wanted:
            given = {**row, "since_seq": seq, "is_gone": is_gone}
            statement = sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(self.wanted),
                sql.SQL(", ").join(map(sql.Identifier, given)),
                sql.SQL(", ").join(map(sql.Placeholder, given)),
            )
            conn.execute(statement, given)

    def count_outcomes(self, conn: psycopg.Connection) -> dict[str, int]:
        """Return how many wanted rows were accepted, duplicates and corrections. A row that ends counts as a correction."""
        statement = sql.SQL(
            "select outcome, count(*) from {} where not is_gone or outcome = 'corrected' group by 1"
        )
        return dict(conn.execute(statement.format(sql.Identifier(self.wanted))).fetchall())

    def merge(self, conn: psycopg.Connection, seq: int) -> bool:
        """Replace what holds by the wanted rows, in the change with this ledger number. Return whether anything changed."""
        # The planner must know how many rows a file brings.
        for statement in (_ANALYZE, _COMPARE, _KEEP) if self.kept else (_ANALYZE, _COMPARE):
            conn.execute(self._format(statement))
        ended = conn.execute(self._format(_END), {"seq": seq}).rowcount
        added = conn.execute(self._format(_ADD)).rowcount
        return ended + added > 0

    def find_only_store(self, conn: psycopg.Connection, seq: int) -> str | None:
        """Return the store that the change with this number is about; None if it is about several, or about labels."""
        if "store_key" not in (*self.keys, *self.values):
            return None
        found = conn.execute(self._format(_FIND_STORES), {"seq": seq}).fetchall()
        return str(found[0][0]) if len(found) == 1 and found[0][0] is not None else None

    def _format(self, statement: sql.SQL) -> sql.Composed:
        return statement.format(
            table=sql.Identifier(self.name),
            wanted=sql.Identifier(self.wanted),
            same_keys=sql.SQL(" and ").join(
                sql.SQL("old.{0} = wanted.{0}").format(sql.Identifier(key)) for key in self.keys
            ),
            old_values=_list_columns("old", self.values),
            wanted_values=_list_columns("wanted", self.values),
            keep=sql.SQL(", ").join(
                sql.SQL("{0} = old.{0}").format(sql.Identifier(column)) for column in self.kept
            ),
            columns=sql.SQL(", ").join(
                map(sql.Identifier, (*self.kept, *self.keys, *self.values, "since_seq"))
            ),
        )


def _list_columns(table: LiteralString, columns: tuple[LiteralString, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(table, column) for column in columns)


_ANALYZE: Final = sql.SQL("analyze {wanted}")
_COMPARE: Final = sql.SQL(
    "update {wanted} wanted set outcome = case when not is_gone"
    " and row({old_values}) is not distinct from row({wanted_values}) then 'duplicate' else 'corrected' end"
    " from {table} old where {same_keys} and old.until_seq is null"
)
_KEEP: Final = sql.SQL(
    "update {wanted} wanted set {keep} from {table} old where {same_keys} and old.until_seq is null"
)
_END: Final = sql.SQL(
    "update {table} old set until_seq = %(seq)s from {wanted} wanted"
    " where {same_keys} and old.until_seq is null and outcome = 'corrected'"
)
_ADD: Final = sql.SQL(
    "insert into {table} ({columns}) select {columns} from {wanted} where outcome <> 'duplicate' and not is_gone"
)
_FIND_STORES: Final = sql.SQL(
    "select store_id from (select distinct store_key from {table} where since_seq = %(seq)s or until_seq = %(seq)s"
    " limit 2) changed left join store using (store_key)"
)

DATED_HOURS: Final = HistoryTable("dated_hours", ("store_key", "effective_from"), ("intervals",))
SPECIAL_HOURS: Final = HistoryTable("special_hours", ("store_key", "date"), ("intervals",))
LIFETIMES: Final = HistoryTable("lifetime", ("store_key",), ("opened_at", "closed_at"))
CLOSURES: Final = HistoryTable(
    "closure",
    ("store_key", "labels", "starts_at"),
    ("ends_at", "treatment", "reason", "note"),
    kept=("id",),
)
CLOSURES_BY_ID: Final = HistoryTable(
    "closure", ("id",), ("store_key", "labels", "starts_at", "ends_at", "treatment", "reason", "note")
)
CALENDARS: Final = HistoryTable("calendar", ("name",), ("labels", "dates"))
