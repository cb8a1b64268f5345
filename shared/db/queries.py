"""Named queries: `shared/db/sql/FILE.sql` has statements, each under a line `-- name: NAME`."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_NAME_LINE = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries(file: str) -> Mapping[str, bytes]:
    """Return the statements of `shared/db/sql/{file}.sql` by name, as psycopg takes them."""
    text = files("shared.db.sql").joinpath(f"{file}.sql").read_text()
    _preamble, *rest = _NAME_LINE.split(text)
    return dict(zip(rest[::2], (body.strip().encode() for body in rest[1::2]), strict=True))
