"""Iterate over lists that the services return in pages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import TypeAdapter

from uptill_client.transport import Transport

T = TypeVar("T")
PAGE = 200


def iterate_pages(
    transport: Transport, kind: type[T], path: str, name: str, query: Mapping[str, Any]
) -> Iterator[T]:
    """Yield the members of the list `name`, page by page as needed. Raises `ApiError`."""
    wanted = {key: value for key, value in query.items() if value is not None}
    cursor: dict[str, str] = {}
    while True:
        page = transport.call(dict[str, Any], "GET", path, params={**wanted, "limit": PAGE, **cursor})
        yield from _parse_rows(kind, page[name])
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def _parse_rows(kind: type[T], rows: Sequence[Any]) -> Iterator[T]:
    adapter = TypeAdapter(kind)
    return (adapter.validate_python(row) for row in rows)
