"""Names the files of a load, and describes what a dry run found: stores, dates, and what would be removed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from services.ingest.import_result import ImportResult
from shared.texts import count_of


def list_plans(results: Sequence[ImportResult]) -> Iterator[str]:
    """Yield one line for each file that would be loaded."""
    names = name_files([result.source for result in results])
    for name, result in zip(names, results, strict=True):
        plan: Any = (result.quality or {}).get("plan")
        if plan:
            yield f"{name}: {', '.join(_list_parts(plan))}"


def name_files(sources: Sequence[str], *, with_archives: bool = False) -> list[str]:
    """Return the name of each file, fit to print: with as many of its folders or archives as tell it from the others.

    `with_archives`: a file in a zip archive has its name with that of the archive.
    """
    parts = [PurePath(source).parts or (source,) for source in sources]
    depths = [_archive_depth(path) if with_archives else 1 for path in parts]
    for depth in range(1, max(map(len, parts), default=0)):
        tails = Counter(path[-depth:] for path in set(parts))
        depths = [
            depth + 1 if found == depth and tails[path[-depth:]] > 1 else found
            for found, path in zip(depths, parts, strict=True)
        ]
    return [escape_unprintable("/".join(path[-depth:])) for path, depth in zip(parts, depths, strict=True)]


def _archive_depth(path: Sequence[str]) -> int:
    """Return how many parts at the end of a path are shown: the file's name, and that of its archive, if any."""
    archives = [depth for depth, part in enumerate(reversed(path), 1) if part.lower().endswith(".zip")]
    return next((depth for depth in archives if depth > 1), 1)


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
        yield f"{count_of(plan['rows_removed'], 'stored row')} removed"
