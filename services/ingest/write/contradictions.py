"""Finds what several files of one delivery say differently about the same store: its zone, its lifetime, a closure.

The last file in load order counts. The warning is saved with its import, before any of the rows take effect.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import numpy as np
import polars as pl
import psycopg

from services.ingest.parse.kinds import FACTS, PACKED_KINDS, Kind
from services.ingest.write.packed_rows import read_staged
from services.ingest.write.staged_rows import list_held_ids
from shared.db.queries import queries
from shared.texts import quoted

_SQL, _INGEST = queries("contradictions"), queries("ingest")
_STATEMENTS: Final = {"time zone": "time_zones", "lifetime": "lifetimes", "closure": "closures"}
_COLUMNS: Final = {
    "place": pl.Int32,
    "store": pl.String,
    "field": pl.String,
    "value": pl.String,
    "shown": pl.String,
}


@dataclass(frozen=True)
class StagedPart:
    """A file of a delivery whose rows wait to take effect."""

    import_id: UUID
    kind: Kind
    name: str


def note_contradictions(conn: psycopg.Connection, own: UUID, beside: Sequence[StagedPart]) -> None:
    """Save what the files `beside` each other contradict each other in, if the file `own` is the first that sets it.

    `beside` is in load order, and may be without the file itself.
    """
    kinds = {part.import_id: part.kind for part in beside}
    for fact in FACTS.get(kinds[own], ()) if own in kinds else ():
        parts = [part for part in beside if fact in FACTS.get(part.kind, ())]
        if len(parts) > 1 and parts[0].import_id == own:
            _note_fact(conn, fact, parts)


def _note_fact(conn: psycopg.Connection, fact: str, parts: Sequence[StagedPart]) -> None:
    said = pl.concat(
        [_read_packed(conn, parts) if fact == "time zone" else _NOTHING, _read_rows(conn, fact, parts)]
    )
    held = list_held_ids(conn, [part.import_id for part in parts])
    for winner, loser, stores, *example in _compare(said.filter(~pl.col("store").is_in(held)), parts):
        text = _describe(fact, parts[loser].name, stores, *example)
        conn.execute(_INGEST["add_note"], {"id": parts[winner].import_id, "note": text})


_NOTHING: Final = pl.DataFrame(schema=_COLUMNS)


def _read_packed(conn: psycopg.Connection, parts: Sequence[StagedPart]) -> pl.DataFrame:
    """Return the last zone of each store in each file of zones."""
    names: dict[str, int] = {}
    places = {part.import_id: place for place, part in enumerate(parts) if part.kind in PACKED_KINDS}
    frames = [_NOTHING]
    for file in read_staged(
        conn,
        list(places),
        lambda _, values: np.array([names.setdefault(v["timezone"], len(names)) for v in values], np.int64),
    ):
        last = np.zeros(len(file.ids), np.int64)
        last[file.store] = file.value
        zone = pl.Series(list(names), dtype=pl.String).gather(last).filter(file.has_store)
        store = file.ids.filter(file.has_store)
        place = pl.repeat(places[file.import_id], len(store), dtype=pl.Int32, eager=True)
        columns = (place, store, pl.repeat("", len(store), eager=True), zone, zone)
        frames.append(pl.DataFrame(dict(zip(_COLUMNS, columns, strict=True))))
    return pl.concat(frames)


def _read_rows(conn: psycopg.Connection, fact: str, parts: Sequence[StagedPart]) -> pl.DataFrame:
    places = {part.import_id: place for place, part in enumerate(parts)}
    rows = conn.execute(_SQL[_STATEMENTS[fact]], {"ids": list(places)}).fetchall()
    return pl.DataFrame([(places[found], *said) for found, *said in rows], schema=_COLUMNS, orient="row")


def _compare(said: pl.DataFrame, parts: Sequence[StagedPart]) -> Iterator[tuple[Any, ...]]:
    """Yield which file counts, which other one it contradicts, in how many stores, and the first with what both say.

    Directories add up, and are compared with each other elsewhere. One may also add an end to a lifetime without it.
    """
    directories = [place for place, part in enumerate(parts) if part.kind == "stores"]
    last = said.sort("place").group_by("store", "field").agg(pl.all().last())
    pairs = said.join(last, on=["store", "field"], suffix="_last").filter(
        (pl.col("value") != pl.col("value_last"))
        & ~(
            pl.col("place_last").is_in(directories)
            & (pl.col("place").is_in(directories) | (pl.col("value") == ""))
        )
    )
    first = pairs.sort("store", "field").group_by("place_last", "place", maintain_order=True)
    yield from (
        first.agg(
            pl.col("store").n_unique().alias("stores"),
            *(pl.col(name).first().alias(f"first_{name}") for name in ("store", "shown_last", "shown")),
        )
        .sort("place_last", "place")
        .rows()
    )


def _describe(fact: str, other: str, stores: int, store_id: str, here: str, there: str) -> str:
    has = "1 store has" if stores == 1 else f"{stores:,} stores have"
    what = "other terms of a closure" if fact == "closure" else f"another {fact}"
    return (
        f"{has} {what} in {other} of the same delivery, such as {quoted(store_id)} ({here} here, {there} there): this"
        " file counts, because it is loaded last; keep the right one"
    )
