"""How the column `reading` of an import is written."""

from psycopg.types.json import Jsonb

from services.ingest.parse.reading import Reading


def store_reading(reading: Reading) -> Jsonb | None:
    """Return the value of the column `reading`."""
    stored = reading.to_stored()
    return Jsonb(stored) if stored else None
