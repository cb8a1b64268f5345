"""Where the numbers of a report come from. Each file carries it, so that it can be understood without the report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.worker.columns import Column
from shared.reports.formats import FileKind
from shared.reports.model import ReportFacts
from shared.storage import StoredObject
from shared.uptime.tzdata_release import tzdata_version
from shared.uptime.window import window_names


@dataclass(frozen=True)
class FileContents:
    """What a file holds: its columns, its provenance, how many rows, and of what."""

    columns: Sequence[Column]
    provenance: Mapping[str, str | int]
    rows: int
    kind: FileKind


def describe_provenance(
    report_id: UUID, facts: ReportFacts, csv: StoredObject, rows: int
) -> Mapping[str, str | int]:
    """Return the report's facts by name, with the CSV that the other files are made from."""
    return {
        "report_id": str(report_id),
        "as_of": facts.as_of.isoformat(),
        "policy": facts.policy,
        "policy_version": facts.policy_version,
        "windows": " ".join(window_names(facts.windows)),
        "stores": json.dumps(_describe_stores(facts), ensure_ascii=False, sort_keys=True),
        **({"exclude_reasons": " ".join(facts.exclude_reasons)} if facts.exclude_reasons else {}),
        "data_cut": facts.read_seq,
        "tzdata_version": tzdata_version(),
        "rows": rows,
        "stores_failed": facts.stores_failed,
        "csv_sha256": csv.sha256,
    }


def _describe_stores(facts: ReportFacts) -> str | Mapping[str, object]:
    """Return which stores the report holds. A list of ids is shown only by its length."""
    if facts.stores is None and facts.scope is None:
        return "all"
    asked = facts.stores or {}
    limits = {"ids": len(asked["ids"])} if "ids" in asked else {}
    return limits | {
        name: labels for name, labels in (("labels", asked.get("labels")), ("scope", facts.scope)) if labels
    }
