"""Lists that come in pages, as one iterator."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter

from uptill_client.transport import Transport

T = TypeVar("T")
PAGE = 200


def every(transport: Transport, kind: type[T], path: str, name: str, query: Mapping[str, Any]) -> Iterator[T]:
    """Yield what `name` lists on every page, asking for the next page when it is needed. Raises `ApiError`."""
    wanted = {key: value for key, value in query.items() if value is not None}
    cursor: dict[str, str] = {}
    while True:
        page = transport.call(dict[str, Any], "GET", path, params={**wanted, "limit": PAGE, **cursor})
        yield from _parsed(kind, page[name])
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def _parsed(kind: type[T], rows: Sequence[Any]) -> Iterator[T]:
    adapter = TypeAdapter(kind)
    return (adapter.validate_python(row) for row in rows)
