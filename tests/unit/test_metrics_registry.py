"""A metric is declared before it can be emitted, and each fact has its statement."""

import re
from pathlib import Path

import pytest

from shared.db.queries import queries
from shared.metrics.definition import FACT, PREFIX, Registry
from shared.metrics.exposition import exposition
from shared.metrics.looked_up import FACTS, SLOW_FACTS
from shared.metrics.registry import REGISTRY

ROOT = Path(__file__).resolve().parents[2]


def test_every_fact_has_a_statement_of_its_name_and_every_statement_a_fact() -> None:
    assert {f"{PREFIX}{name}" for name in queries("facts")} == {fact.name for fact in (*FACTS, *SLOW_FACTS)}


def test_a_metric_is_declared_once_and_by_the_naming_rules_of_prometheus() -> None:
    for metric in REGISTRY.metrics.values():
        assert re.fullmatch(r"uptill_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith("."), metric.name
        assert metric.sources
    registry = Registry()
    registry.fact("twice", "gauge", "Once.")
    with pytest.raises(ValueError, match="uptill_twice is declared twice"):
        registry.fact("twice", "gauge", "Again.")


@pytest.mark.parametrize("service", ["api", "ingest", "worker", "scheduler"])
def test_a_service_shows_what_it_counts_and_no_zeros_of_others(service: str) -> None:
    shown = set(re.findall(rf"^# TYPE ({PREFIX}\w+) ", exposition(service).decode(), re.MULTILINE))
    assert shown == {metric.name for metric in REGISTRY.metrics.values() if service in metric.sources}
    assert FACT not in shown


def test_only_the_package_itself_makes_metrics() -> None:
    strangers = [
        path
        for folder in ("services", "shared")
        for path in (ROOT / folder).rglob("*.py")
        if "prometheus_client" in path.read_text()
        and path.relative_to(ROOT).parts[:2] != ("shared", "metrics")
        and path != ROOT / "services" / "scheduler" / "metric_facts.py"
    ]
    assert strangers == []
