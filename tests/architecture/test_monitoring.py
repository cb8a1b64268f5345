"""Alerts and dashboards use metrics that exist, and each alert has a test and a section in the runbook."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.metrics.reference import every_metric

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "uptill.yml"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
SERIES = {sample: metric for metric in every_metric() for sample in metric.samples}
OF_PROMETHEUS = {"job", "instance", "le"}


def alerts() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alert_names() -> list[str]:
    return [rule["alert"] for rule in alerts()]


def board_expressions(path: Path) -> Iterator[str]:
    for panel in json.loads(path.read_text())["panels"]:
        # The others are SQL: tests/integration/command/test_bi_page.py runs them.
        yield from (target["expr"] for target in panel.get("targets", []) if "expr" in target)


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    for path in DASHBOARDS:
        yield from board_expressions(path)


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_names_series_and_labels_that_exist(expression: str) -> None:
    named = re.findall(r"\b(uptill_\w+)(?:\{([^}]*\}?[^}]*)\})?", expression)
    assert named or re.search(r"\b(up|process_\w+)\b", expression)
    labels: set[str] = set(OF_PROMETHEUS)
    for series, selector in named:
        assert series in SERIES, series
        known = SERIES[series].labels
        labels |= set(known)
        for label, wanted in re.findall(r"(\w+)=\"([^\"]*)\"", selector):
            assert label in {*known, *OF_PROMETHEUS}, f"{series} has no label {label}"
            values = known.get(label)
            assert not values or wanted in values, f"{series} is never {label}={wanted}"
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        assert set(re.split(r",\s*", grouped)) <= labels, grouped


def test_every_metric_is_shown_on_a_dashboard() -> None:
    text = "\n".join(expression for path in DASHBOARDS for expression in board_expressions(path))
    unseen = {
        metric.name
        for metric in every_metric()
        if not any(re.search(rf"\b{sample}\b", text) for sample in metric.samples)
    }
    # Housekeeping; in the log too.
    assert unseen == {"uptill_reports_expired_total", "uptill_idempotency_keys_forgotten_total"}


def test_every_alert_has_a_test_that_fires_and_says_how_urgent_it_is() -> None:
    tests = yaml.safe_load((DEPLOY / "prometheus" / "tests" / "uptill.yml").read_text())["tests"]
    fired = {
        check["alertname"]
        for test in tests
        for check in test.get("alert_rule_test", [])
        if check["exp_alerts"]
    }
    assert fired == set(alert_names())
    assert len(alert_names()) == len(fired)
    assert {rule["labels"]["severity"] for rule in alerts()} == {"page", "ticket"}


def test_dashboards_are_provisioned_with_the_source_they_ask() -> None:
    provisioned = [
        yaml.safe_load(path.read_text()) for path in (DEPLOY / "grafana/provisioning/datasources").glob("*")
    ]
    uids = {source["uid"] for file in provisioned for source in file["datasources"]}
    assert [path.stem for path in DASHBOARDS] == ["fleet", "label", "service", "store"]
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        assert board["uid"] == f"uptill-{path.stem}"
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        assert len({panel["title"] for panel in panels}) == len(panels)
        assert {panel["datasource"]["uid"] for panel in panels} <= uids


def test_prometheus_scrapes_every_service_that_counts() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert jobs == {source for metric in every_metric() for source in metric.sources if source != "looked up"}


def test_in_kubernetes_every_pod_with_a_metrics_port_is_scraped_under_its_name() -> None:
    """A service's job is the name of its pods, so both configurations use the same jobs."""
    (job,) = yaml.safe_load((DEPLOY / "prometheus" / "kubernetes.yml").read_text())["scrape_configs"]
    rules = {rule["target_label"]: rule for rule in job["relabel_configs"] if "target_label" in rule}
    assert rules["job"]["source_labels"] == ["__meta_kubernetes_pod_label_app_kubernetes_io_name"]
    kept = {
        rule["source_labels"][0]: rule["regex"]
        for rule in job["relabel_configs"]
        if rule.get("action") == "keep"
    }
    assert kept == {
        "__meta_kubernetes_pod_label_uptill": "process",
        "__meta_kubernetes_pod_container_port_name": "metrics",
    }
    scraped = set()
    for path in (DEPLOY / "k8s" / "base").glob("*.yaml"):
        for resource in yaml.safe_load_all(path.read_text()):
            if resource["kind"] == "Deployment":
                template = resource["spec"]["template"]
                assert template["metadata"]["labels"]["uptill"] == "process"
                assert "metrics" in {port["name"] for port in template["spec"]["containers"][0]["ports"]}
                scraped.add(template["metadata"]["labels"]["app.kubernetes.io/name"])
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert scraped == {one["job_name"] for one in config["scrape_configs"]}


def test_the_runbook_has_a_section_for_each_alert_and_none_for_others() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    _, *sections = re.split(r"^## ", runbook, flags=re.MULTILINE)
    severity = {rule["alert"]: rule["labels"]["severity"] for rule in alerts()}
    assert [section.splitlines()[0] for section in sections] == alert_names()
    for section in sections:
        name, _, text = section.partition("\n")
        assert text.strip().startswith(f"*{severity[name]}.*"), name
        assert "**Check**" in text, name
