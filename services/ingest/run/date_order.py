"""Reads a file of polls ahead, before any row is stored, as far as its dates leave open whether the date format is right."""

from collections.abc import Iterator
from contextlib import closing

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.chunks import open_table
from services.ingest.parse.header import Layout
from services.ingest.parse.order_proof import OrderRefused, refuse_other_order, tells_order
from services.ingest.parse.rows import split_rows
from services.ingest.sources.source import Source
from shared.date_orders import list_other_orders
from shared.errors import BadInputFile


def require_date_order(source: Source, date_format: str, chunk_bytes: int, latest_us: int) -> None:
    """Raise `OrderRefused` if the first rows that tell the order of day and month contradict the format.

    Committed polls cannot be taken back. Without this, all chunks of the first twelve days of a month would be stored with
    swapped days and months before a day 13 tells. Any other refusal is left to the load, which keeps the chunks before it.
    """
    if not source.is_rereadable or not any(list_other_orders(date_format)):
        return
    try:
        with closing(source.read_blocks()) as blocks:
            _read_ahead(*open_table(blocks, chunk_bytes), date_format, latest_us)
    except OrderRefused:
        raise
    except BadInputFile:
        return


def _read_ahead(layout: Layout, chunks: Iterator[Chunk], date_format: str, latest_us: int) -> None:
    """Look at a sample of each chunk, until one tells."""
    for place, chunk in enumerate(chunks):
        if tells_order(chunk, layout, latest_us, date_format):
            # The load itself judges the first chunk before it stores it.
            if place:
                refuse_other_order(split_rows(chunk, layout), latest_us, date_format)
            return
