"""Where the numbers of a report come from: what a file says about itself, so that it needs no report to be understood."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.worker.columns import Column
from shared.reports.model import ReportFacts
from shared.storage import StoredObject
from shared.uptime.zones import tzdata_version


@dataclass(frozen=True)
class Made:
    """What a file holds and says about it."""

    columns: Sequence[Column]
    provenance: Mapping[str, str | int]


def provenance(report_id: UUID, facts: ReportFacts, csv: StoredObject, rows: int) -> Mapping[str, str | int]:
    """The report's facts by name, and the CSV that the other files were made from."""
    return {
        "report_id": str(report_id),
        "as_of": facts.as_of.isoformat(),
        "policy": facts.policy,
        "policy_version": facts.policy_version,
        "windows": " ".join(facts.windows),
        "stores": json.dumps(_stores(facts), ensure_ascii=False, sort_keys=True),
        "data_cut": facts.data_cut,
        "tzdata_version": tzdata_version(),
        "rows": rows,
        "csv_sha256": csv.sha256,
    }


def _stores(facts: ReportFacts) -> str | Mapping[str, object]:
    """Which stores; of a list of ids only its length."""
    if facts.stores is None and facts.scope is None:
        return "all"
    asked = facts.stores or {}
    limits = {"ids": len(asked["ids"])} if "ids" in asked else {}
    return limits | {
        name: labels for name, labels in (("labels", asked.get("labels")), ("scope", facts.scope)) if labels
    }
