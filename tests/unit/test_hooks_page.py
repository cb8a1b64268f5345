"""The pages about hooks name what the code has: fields of documents, presets, results of calls."""

import re
from pathlib import Path

from services.ingest.hooks.presets import PRESETS
from services.ingest.http.schemas_hook_mapping import HookMappingParts
from services.ingest.http.schemas_hook_signature import HookSignatureBody
from services.ingest.http.schemas_hooks import HookPut
from shared.metrics.registry import REGISTRY

DOCS = Path(__file__).resolve().parents[2] / "docs"
REFERENCE = (DOCS / "reference/hooks.md").read_text()
HOW_TO = (DOCS / "how-to/webhooks-in.md").read_text()


def first_cells(text: str) -> set[str]:
    """Return the names in code in the first cell of each row of the tables."""
    rows = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def section(title: str) -> str:
    return re.split(r"^##+ ", REFERENCE.partition(f"## {title}\n")[2], flags=re.MULTILINE)[0]


def test_every_field_of_a_document_is_described() -> None:
    assert first_cells(REFERENCE.partition("## Mapping")[0]) == HookPut.model_fields.keys()
    assert first_cells(section("Mapping")) == HookMappingParts.model_fields.keys()
    schemes = {"standard_webhooks", "hmac", "token", "api_key"}
    fields = HookSignatureBody.model_fields.keys() - {"scheme"}
    assert first_cells(section("Signature")) == schemes | fields


def test_every_preset_is_listed() -> None:
    assert first_cells(HOW_TO) == PRESETS.keys()


def test_the_results_of_calls_are_those_of_the_metric() -> None:
    described = REGISTRY.metrics["uptill_hook_calls_total"].help
    results = re.findall(r"`(\w+)`", HOW_TO.partition("by hook and result:")[2].partition(".")[0])
    assert len(results) == 8
    assert all(re.search(rf"\b{result}\b", described) for result in results)
