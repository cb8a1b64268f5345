"""The Python client has every field of the services' answers and requests, and works beside foreign packages."""

import dataclasses
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints

import pytest

from tests.fixtures.closure import closure, modules_of
from tests.reference import applications
from uptill_client import (
    calendars,
    closures,
    explanation,
    facts,
    facts_exports,
    import_status,
    live,
    outages,
    parameters,
    reconciliations,
    report_files,
    report_status,
    schedules,
    series,
    store_answers,
    store_policies,
    timelines,
    webhooks,
)

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "clients" / "python"
_ANSWERS: dict[str, dict[str, type[Any]]] = {
    "openapi.json": {
        "AppliedClosureBody": timelines.AppliedClosure,
        "DayIntervalBody": timelines.DayInterval,
        "DeliveryBody": webhooks.WebhookDelivery,
        "Deliver": schedules.ScheduleDelivery,
        "ExplainedSegmentBody": explanation.ExplainedSegment,
        "ExplainedWindowBody": explanation.ExplainedWindow,
        "ExplanationBody": explanation.Explanation,
        "ExportedMonthBody": facts_exports.FactsFile,
        "FactsBody": facts.FactsStatus,
        "FactsExportBody": facts_exports.FactsExportStatus,
        "HoursSourceBody": explanation.ExplainedHours,
        "NewEndpoint": webhooks.WebhookEndpoint,
        "LabelValueNow": live.StateCount,
        "LostFileBody": report_files.LostFile,
        "NowSummaryBody": live.NowSummary,
        "StoreNowBody": live.StoreNow,
        "OpenInterval": store_answers.Interval,
        "OutageBody": outages.StoreOutage,
        "OutagePage": outages.OutageListing,
        "PollBody": timelines.TimelinePoll,
        "PollOriginBody": explanation.ExplainedPoll,
        "ProgressBody": report_status.Progress,
        "ReportBody": report_status.ReportStatus,
        "FileBody": report_files.ReportFile,
        "PolicyDifferenceBody": store_policies.PolicyDifference,
        "PolicyStateBody": store_policies.PolicyState,
        "PolicyTotalsBody": store_policies.PolicyTotals,
        "StorePoliciesBody": store_policies.StorePolicies,
        "TotalsChangeBody": store_policies.TotalsChange,
        "PolicyRulesBody": series.PolicyRules,
        "PolicySeriesBody": series.PolicySeries,
        "PolicySeriesRowBody": series.PolicySeriesRow,
        "PreviousFiguresBody": series.PreviousFigures,
        "SeriesBody": series.SeriesAnswer,
        "SeriesChangeBody": series.SeriesChange,
        "SeriesRowBody": series.SeriesRow,
        "ReconciledFigureBody": reconciliations.ReconciledFigure,
        "RunBody": schedules.ScheduleRun,
        "ScheduleBody": schedules.ReportSchedule,
        "SegmentBody": timelines.Segment,
        "SegmentClosureBody": timelines.SegmentClosure,
        "SpanBody": timelines.TimelineSpan,
        "StoreBody": store_answers.Store,
        "StoreDetailBody": store_answers.StoreDetail,
        "StoreFilterBody": report_status.ReportStores,
        "TimelineBody": timelines.Timeline,
        "TimelineDayBody": timelines.TimelineDay,
        "TotalsBody": timelines.Totals,
    },
    "openapi-ingest.json": {
        "CountsBody": import_status.Counts,
        "ImportBody": import_status.ImportStatus,
        "ImportCountsBody": import_status.ImportCounts,
        "ImportProgressBody": import_status.ImportProgress,
        "IntervalBody": store_answers.Interval,
        "StoreChangedBody": store_answers.StoreChanged,
        "CalendarBody": calendars.Calendar,
        "ClosureBody": closures.Closure,
        "SpecialDateBody": closures.SpecialDate,
        "SpecialHoursBody": closures.SpecialHours,
        "SpecialInterval": closures.TimeRange,
        "LifetimeBody": closures.Lifetime,
    },
}
_TEXTS = {
    "LiveState",
    "Rule",
    "State",
    "StateRule",
    "HoursKind",
    "Fill",
    "NoData",
    "Edges",
    "Scope",
    "FigureVerdict",
    "DifferenceCause",
}
# A request may be written in more ways than the client does.
_REQUESTS = {"IntervalBody"}
_PAIRS = [(document, schema, kind) for document, kinds in _ANSWERS.items() for schema, kind in kinds.items()]


@pytest.mark.parametrize(
    ("document", "schema", "kind"), _PAIRS, ids=[f"{document}-{schema}" for document, schema, _ in _PAIRS]
)
def test_an_answer_has_the_fields_of_the_service(document: str, schema: str, kind: type[Any]) -> None:
    described = _properties(document, schema)
    assert {field.name for field in dataclasses.fields(kind)} == set(described)
    hints = get_type_hints(kind)
    for name, of in described.items():
        if schema in _REQUESTS:
            assert _wire_types(hints[name]) <= _json_types(of), name
            continue
        # None stands for a field that only some answers have, too.
        assert _wire_types(hints[name]) - {"null"} == _json_types(of) - {"null"}, name
        assert _json_types(of) <= _wire_types(hints[name]), name


@pytest.mark.parametrize("schema", ["ReportCreate", "ScheduledReport"])
def test_the_options_of_a_report_are_those_of_the_service(schema: str) -> None:
    options = cast("parameters.ReportOptions", dict.fromkeys(get_type_hints(parameters.ReportOptions), "x"))
    sent = parameters.to_json("latest", **options)
    described = _properties("openapi.json", schema)
    assert set(sent) == set(described) - {"force", "webhook_url"}  # arguments of their own in `create_report`
    assert set(sent["stores"]) == set(_properties("openapi.json", "StoreSelection"))


def _properties(document: str, schema: str) -> dict[str, Any]:
    found: dict[str, Any] = applications()[document].openapi()["components"]["schemas"][schema]["properties"]
    return found


def _json_types(described: Mapping[str, Any]) -> set[str]:
    """Return the JSON types that a schema allows; an instant is a type of its own."""
    if "anyOf" in described:
        return set().union(*map(_json_types, described["anyOf"]))
    if described.get("format") == "date-time":
        return {"instant"}
    # Only enumerations of texts and objects are referenced.
    name = described.get("$ref", "").rpartition("/")[2]
    return {described.get("type", "string" if name in _TEXTS else "object")}


def _wire_types(hint: Any) -> set[str]:
    """Return the JSON types that a field of the client is read from."""
    if isinstance(hint, UnionType):
        return set().union(*map(_wire_types, get_args(hint)))
    known = {bool: "boolean", int: "integer", float: "number", str: "string", datetime: "instant"}
    known |= {date: "string", type(None): "null", Sequence: "array", Mapping: "object"}
    return {known.get(get_origin(hint) or hint, "object")}


def test_both_distributions_have_one_version() -> None:
    projects = [
        tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in (ROOT, CLIENT)
    ]
    assert len({project["version"] for project in projects}) == 1
    assert len({project["requires-python"] for project in projects}) == 1


def test_the_client_is_typed_and_works_beside_foreign_packages_of_our_names(tmp_path: Path) -> None:
    """With nothing of Uptill on the path but the client, as `pip install uptill-client` leaves it."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("OWNER = 'the user, services'\n")
    (tmp_path / "shared.py").write_text("OWNER = 'the user, shared'\n")
    (example,) = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    indented = "".join(f"    {line}\n" for line in example.splitlines())
    script = f"""
import sys
before = set(sys.modules)
sys.path[:0] = [{str(tmp_path)!r}, {str(CLIENT)!r}]
sys.path.remove({str(ROOT)!r})
import services, shared
from uptill_client import NotReachable
api_url, api_key = "http://127.0.0.1:1", "key"
try:
{indented}
except NotReachable as error:
    print(services.OWNER, "-", shared.OWNER, "-", error)
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""
    printed = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    said, loaded = printed.splitlines()
    assert said.startswith("the user, services - the user, shared - no answer from http://127.0.0.1:1")
    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    foreign = set(loaded.split()) & packages_distributions().keys()
    assert foreign - modules_of(closure(project["dependencies"])) == set()
    assert (CLIENT / "uptill_client" / "py.typed").is_file()


def test_the_installed_command_is_of_the_checkout() -> None:
    assert version("uptill") == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
