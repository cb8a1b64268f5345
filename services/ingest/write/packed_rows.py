"""The valid rows of a chunk as numbers, in one row of `import_staged`: the millions of rows of a file wait in hundreds."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Any, Final, Self
from uuid import UUID

import numpy as np
import polars as pl
import psycopg
from numpy.typing import NDArray
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.ingest.parse.parsed import ParsedLocalHours
from services.ingest.parse.store_numbers import StoreNumbers
from shared.columns import RepeatedValues
from shared.db.queries import queries

_SQL = queries("ingest")
_ROW: Final = np.dtype([("store", "<i4"), ("place", "<i4"), ("line", "<i4")])
_ROWS_AT_ONCE: Final = 10_000

Ints = NDArray[np.int64]
Fields = Mapping[str, Any]
# Returns a number for each of the values, which are of this import.
Encode = Callable[[UUID, Sequence[Fields]], Ints]


def stage_packed(conn: psycopg.Connection, import_id: UUID, parsed: ParsedLocalHours) -> None:
    """Let the valid rows of one chunk wait."""
    columns = dict(parsed.valid)
    store, line = columns.pop("store"), columns.pop("line")
    shared = {name: column for name, column in columns.items() if isinstance(column, RepeatedValues)}
    rows = np.empty(len(line), _ROW)
    rows["store"], rows["line"] = store, np.asarray(line) - parsed.chunk.first_line
    used: Ints = np.zeros(0, np.int64)
    for column in shared.values():
        # All of them have the same places.
        used = np.flatnonzero(np.bincount(column.places))
        rows["place"] = np.searchsorted(used, column.places)
        break
    values = [{name: column.values[place] for name, column in shared.items()} for place in used.tolist()]
    if parsed.around:
        for place, fields in zip(used.tolist(), values, strict=True):
            fields["around"] = parsed.around[place]
    for fields in values:
        if effective_from := fields.get("date"):
            fields["date"] = effective_from.toordinal()
    said = {"values": values, "known": parsed.known, "stores": list(parsed.new_ids)}
    staged = {
        "import_id": import_id,
        "line": parsed.chunk.first_line,
        "byte_offset": parsed.chunk.first_byte,
        # The text is most of a chunk, and needed only if a store is held back.
        "raw": None if parsed.around else parsed.chunk.data,
        "details": Jsonb(said),
        "packed": rows.tobytes(),
    }
    conn.execute(_SQL["stage_packed"], staged)


def read_texts(
    conn: psycopg.Connection, import_id: UUID, ids: pl.Series, lines: NDArray[np.int32]
) -> Iterator[tuple[int, int, bytes]]:
    """Yield the first line, the first byte and the text of each chunk of an import that has valid rows in some lines.

    `ids`: all stores of the import, by number. The connection may be used between the chunks.
    """
    with conn.cursor("staged_texts", binary=True, row_factory=dict_row) as chunks:
        chunks.itersize = 1
        for chunk in chunks.execute(_SQL["staged_texts"], {"id": import_id}):
            rows = np.frombuffer(chunk["packed"], _ROW)
            if np.isin(rows["line"] + np.int32(chunk["line"]), lines).any():
                yield chunk["line"], chunk["byte_offset"], chunk["raw"] or _rebuild(chunk, rows, ids)


def _rebuild(chunk: Mapping[str, Any], rows: NDArray[Any], ids: pl.Series) -> bytes:
    """Return the text of a chunk whose lines consist of an id and what is around it."""
    around = [fields["around"] for fields in chunk["details"]["values"]]
    places = zip(ids.gather(rows["store"]), rows["place"].tolist(), strict=True)
    return "".join(f"{around[place][0]}{store_id}{around[place][1]}\n" for store_id, place in places).encode()


def read_packed_stores(conn: psycopg.Connection, import_id: UUID) -> StoreNumbers:
    """Return the numbers of the stores in the staged chunks of an import, for the chunks that follow."""
    stores = StoreNumbers()
    with closing(_stream(conn, "packed_stores", {"id": import_id})) as chunks:
        for chunk in chunks:
            stores.number_ids(pl.Series(chunk["stores"], dtype=pl.String))
    return stores


@dataclass(frozen=True)
class StagedFile:
    """The staged rows of one import in the order of the file.

    `store` is the place of a row's store in `ids` and `keys`, `value` a number for its values. A store's key is 0 until it is
    looked up, and of stores that are held back. Rows of an import that the release before began are a file of their own.
    """

    import_id: UUID
    ids: pl.Series
    keys: NDArray[np.int32]
    store: NDArray[np.int32]
    value: Ints
    line: NDArray[np.int32]
    is_packed: bool = True

    def pick(self, kept: NDArray[np.bool_]) -> Self:
        """Return the rows under a mask."""
        if kept.all():
            return self
        return replace(self, store=self.store[kept], value=self.value[kept], line=self.line[kept])

    @property
    def has_store(self) -> NDArray[np.bool_]:
        """Which stores have a row."""
        found = np.zeros(len(self.ids), np.bool_)
        found[self.store] = True
        return found


def read_staged(conn: psycopg.Connection, ids: Sequence[UUID], encode: Encode) -> list[StagedFile]:
    """Return the valid rows of some imports, by import and in the order of its file."""
    counts: dict[UUID, int] = dict(conn.execute(_SQL["count_packed"], {"ids": list(ids)}).fetchall())
    with closing(_stream(conn, "staged_rows", {"ids": list(ids)})) as rows:
        return [
            _unpack(import_id, group, encode, counts[import_id] // _ROW.itemsize)
            if is_packed
            else _number(import_id, group, encode)
            for (import_id, is_packed), group in groupby(
                rows, lambda row: (row["import_id"], row["packed"] is not None)
            )
        ]


def _stream(
    conn: psycopg.Connection, query: str, values: Mapping[str, object]
) -> Generator[dict[str, Any], None, None]:
    """Yield rows one by one. Close it even after an error: until then, any other statement waits for ever."""
    yield from conn.cursor(binary=True, row_factory=dict_row).stream(_SQL[query], values)


def _unpack(import_id: UUID, chunks: Iterator[Any], encode: Encode, count: int) -> StagedFile:
    """Return a file of chunks with `count` rows in all, which take no other memory than they need.

    Raise ValueError if a chunk is missing, so that numbers mean other stores.
    """
    ids: list[pl.Series] = []
    known = end = 0
    store, line, value = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.int64)
    for chunk in chunks:
        said, rows = chunk["details"], np.frombuffer(chunk["packed"], _ROW)
        if said["known"] != known:
            raise ValueError(f"the staged rows of the import {import_id} have a gap")
        ids.append(pl.Series(said["stores"], dtype=pl.String))
        known += len(said["stores"])
        part = slice(end, end + len(rows))
        store[part], line[part] = rows["store"], rows["line"] + np.int32(chunk["line"])
        value[part] = encode(import_id, said["values"])[rows["place"]]
        end = part.stop
    keys = np.zeros(known, np.int32)
    return StagedFile(import_id, pl.concat(ids, rechunk=True), keys, store[:end], value[:end], line[:end])


def _number(import_id: UUID, rows: Iterator[Any], encode: Encode) -> StagedFile:
    """Return a file of rows that the release before staged one by one."""
    numbers = StoreNumbers()
    stores, values, lines = [], [], []
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        stores.append(numbers.number_ids(pl.Series([row["store_id"] for row in some], dtype=pl.String)))
        values.append(encode(import_id, some))
        lines.append(np.array([row["line"] or 0 for row in some], np.int32))
    ids = pl.Series(numbers.get_ids(0, len(numbers)), dtype=pl.String)
    return StagedFile(
        import_id,
        ids,
        np.zeros(len(ids), np.int32),
        np.concatenate(stores),
        np.concatenate(values),
        np.concatenate(lines),
        is_packed=False,
    )
