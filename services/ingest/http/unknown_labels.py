"""Warns of labels that no store has: a calendar or closure for them applies to nothing yet."""

from collections.abc import Iterator, Mapping

import psycopg
from psycopg.types.json import Jsonb

from shared.db.queries import queries

_SQL = queries("adjust")


def warn_of_labels(conn: psycopg.Connection, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning if no store has all of these labels."""
    ((is_known,),) = conn.execute(_SQL["labels_exist"], {"labels": Jsonb(dict(labels))})
    if not is_known and labels:
        shown = ", ".join(f"{name}: {value}" for name, value in labels.items())
        yield f"no store has the labels {shown}: check them, or label the stores"
