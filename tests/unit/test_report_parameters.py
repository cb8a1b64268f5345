"""Report parameters survive the JSON that schedules store."""

import json
from dataclasses import replace

import pytest

from shared.reports.parameters import ReportParameters, ReportRequest, StoreFilter
from shared.uptime.window import parse_windows

_EVERY_PARAMETER = ReportParameters(
    policy="strict",
    detail=True,
    windows=parse_windows(["PT06H", "last_day", "previous_month"]),
    formats=("csv", "xlsx"),
    stores=StoreFilter.of(["b", "a"], {"region": "north"}),
)


@pytest.mark.parametrize("parameters", [ReportParameters(), _EVERY_PARAMETER])
def test_json_round_trip(parameters: ReportParameters) -> None:
    stored = json.loads(json.dumps(parameters.as_json()))
    assert ReportParameters.from_json(stored) == parameters
    assert ReportParameters.from_json(stored).as_json() == parameters.as_json()


def test_the_text_of_a_window_is_kept_as_written() -> None:
    assert _EVERY_PARAMETER.as_json()["windows"] == ["PT06H", "last_day", "previous_month"]


def test_missing_parameters_get_their_defaults_and_others_are_ignored() -> None:
    assert ReportParameters.from_json({"policy": "strict", "as_of": "due"}) == ReportParameters("strict")


def test_requests_that_ask_the_same_have_one_digest() -> None:
    request = ReportRequest(stores=StoreFilter.of(["a", "b"], None))
    assert request.sha256 == ReportRequest(stores=StoreFilter.of(["b", "a", "a"], None)).sha256
    assert request.sha256 != replace(request, detail=True).sha256
