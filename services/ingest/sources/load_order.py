"""In which order sources are loaded: time zones, hours, polls. Told by their headers, as their names mean nothing."""

from contextlib import closing

from services.ingest.parse.chunks import open_table
from services.ingest.parse.header import LOAD_ORDER
from services.ingest.sources.find import Source
from shared.errors import BadInputFile


def load_order(source: Source) -> int:
    """The rank of a source; the last one is that of what cannot be told before it is read."""
    if source.rereadable:
        try:
            with closing(source.blocks()) as blocks:
                return LOAD_ORDER.index(open_table(blocks)[0].kind)
        except BadInputFile:
            pass  # said when it is loaded
    return len(LOAD_ORDER)
