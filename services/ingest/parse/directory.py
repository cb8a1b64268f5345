"""Validates the rows of a store directory: a name, labels, and maybe a zone and a lifetime."""

import json
from collections.abc import Callable

from services.ingest.parse.adjustments import Fields, parse_lifetime
from services.ingest.parse.header import Layout
from services.ingest.parse.zones import find_zone
from shared.labels import is_label_value
from shared.store_ids import is_missing_value
from shared.store_names import clean_store_name, is_store_name

EVERY_STORE = "*"


def make_directory_parser(layout: Layout) -> Callable[..., Fields | str]:
    """Return a function from the fields after the store id to columns of `import_staged`, or to the reason to reject.

    `details` has the name and the labels, null for an empty cell, and which instants of the lifetime the file `sets`.
    """
    sets = [name for _, name in layout.optional if name != "timezone_str"]

    def parse_store(name: str, *others: str) -> Fields | str:
        given = dict(zip((name for _, name in layout.optional), others, strict=False))
        labels = dict(zip(layout.labels, map(clean_store_name, others[len(layout.optional) :]), strict=True))
        name = clean_store_name(name)
        if name and not is_store_name(name):
            return "name"
        if any(value and (is_missing_value(value) or not is_label_value(value)) for value in labels.values()):
            return "label"
        lifetime = parse_lifetime(given.get("opened_at", ""), given.get("closed_at", ""))
        if isinstance(lifetime, str):
            return lifetime
        zone = _parse_zone(given.get("timezone_str", ""))
        if isinstance(zone, str):
            return zone
        details = {
            "name": name or None,
            "labels": {label: value or None for label, value in labels.items()},
            "sets": sets,
        }
        return {**zone, **lifetime, "details": json.dumps(details)}

    return parse_store


def _parse_zone(text: str) -> Fields | str:
    if not text.strip(" "):
        return {}
    zone = find_zone(text)
    return zone if isinstance(zone, str) else {"timezone": zone.name, "written_zone": zone.windows_name}
