"""The form of a new report as the body of `POST /v1/reports`, which checks it."""

from typing import Any

from services.api.schemas.report_create import ReportCreate
from services.api.web.forms import PageForm, parse_fields
from shared.errors import InvalidRequest
from shared.labels import parse_labels
from shared.reports.parameters import ReportRequest


def parse_report_form(form: PageForm) -> ReportRequest:
    """Return the request of a form. Raises `InvalidRequest`."""
    body: dict[str, Any] = {
        "windows": form.texts("window") + form.text("windows").replace(",", " ").split(),
        "policy": form.text("policy"),
        "formats": form.texts("format") or ["csv"],
        "files": ["report", *form.texts("file")],
        "detail": bool(form.text("detail")),
        "as_of": form.text("as_of") or "latest",
        "force": bool(form.text("force")),
        "exclude_reasons": form.text("exclude_reasons").replace(",", " ").split(),
    }
    if stores := _parse_stores(form):
        body["stores"] = stores
    return parse_fields(ReportCreate, body).to_request()


def _parse_stores(form: PageForm) -> dict[str, Any]:
    ids = [line.strip() for line in form.text("ids").splitlines() if line.strip()]
    try:
        labels = parse_labels(form.text("labels").split(), separator="=")
    except ValueError as error:
        raise InvalidRequest(str(error), field="labels") from None
    return {name: value for name, value in (("ids", ids), ("labels", dict(labels))) if value}
