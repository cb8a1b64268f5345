"""A report as a pandas DataFrame. pandas is imported on use: the client works without it."""

import re
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_TEXT_COLUMNS: Sequence[str] = ("store_id", "timezone")
# The CSV has an apostrophe before text that a spreadsheet would run as a formula.
_GUARDED = re.compile(r"^'(?='*[=+\-@\t\r])")


def read_report(csv: IO[bytes]) -> "pd.DataFrame":
    """Read a report's CSV, one row per store; ids and time zones stay text, as they were delivered.

    Raises ImportError if pandas is not installed.
    """
    try:
        import pandas as pd  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        raise ImportError(
            "frame() needs pandas, which is not installed; run: pip install 'uptill-client[pandas]'"
        ) from error
    types = dict.fromkeys(_TEXT_COLUMNS, "str")
    frame = pd.read_csv(csv, dtype=types, na_filter=False)
    for name in frame.columns.intersection(list(_TEXT_COLUMNS)):
        frame[name] = frame[name].str.replace(_GUARDED, "", regex=True)
    return frame
