"""Describes what a dry run found: for each file its stores, its dates, and what it would remove."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from services.ingest.import_result import ImportResult
from shared.texts import count_of


def list_plans(results: Sequence[ImportResult]) -> Iterator[str]:
    """Yield one line for each file that would be loaded."""
    for result in results:
        plan: Any = (result.quality or {}).get("plan")
        if plan:
            yield f"{name_file(result.source)}: {', '.join(_list_parts(plan))}"


def name_file(source: str) -> str:
    """Return the name of a file without its folder, fit to print."""
    return escape_unprintable(PurePath(source).name or source)


def escape_unprintable(name: str) -> str:
    """Return a name that cannot forge lines or move the cursor."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in name)


def _list_parts(plan: Mapping[str, Any]) -> Iterator[str]:
    new = plan.get("new_stores", 0)
    listed = [escape_unprintable(store_id) for store_id in plan.get("new_stores_list", ())]
    named = f": {', '.join(listed)}{', …' if new > len(listed) else ''}" if listed else ""
    yield f"{count_of(plan.get('stores', 0), 'store')} ({new:,} new{named})"
    if plan.get("first_date"):
        yield f"dates {plan['first_date']} to {plan['last_date']}"
    if "rows_removed" in plan:
        yield f"{plan['rows_removed']:,} stored rows removed"
