"""Live polls: validated together, answered once they are committed."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter

from services.ingest.http.bodies import read_json
from services.ingest.http.context import Context, IngestContext, Writer
from services.ingest.http.live_polls import LivePolls, SentNote, check_notes, check_polls
from services.ingest.http.schemas_counts import CountsBody
from services.ingest.http.schemas_polls import ObservationsCreate
from shared.http.contract import REF_TEMPLATE
from shared.http.unique_names import UniqueNamesRoute

router = APIRouter(route_class=UniqueNamesRoute, tags=["live polls"])
_MAX_BODY_BYTES = 16 << 20
_SHOWN_FAULTS = 20
_BODY = TypeAdapter(ObservationsCreate)
_DOCUMENTED: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ObservationsCreate.model_json_schema(ref_template=REF_TEMPLATE)}
        },
    }
}


@router.post("/v1/observations", openapi_extra=_DOCUMENTED)
async def create_observations(context: Context, key: Writer, request: Request) -> CountsBody:
    """Send up to 10,000 live polls.

    If one is invalid, all are refused. The answer comes when the polls are committed. Polls sent twice count as duplicates.
    """
    del key
    body = await read_json(request, _BODY, limit_bytes=_MAX_BODY_BYTES)
    counts = await context.live.submit(_check_body(body, context))
    return CountsBody(accepted=counts.accepted, duplicate=counts.duplicate, corrected=counts.corrected)


def _check_body(body: ObservationsCreate, context: IngestContext) -> LivePolls:
    polls = body.observations
    checked = check_polls(
        [poll.store_id for poll in polls],
        [poll.status for poll in polls],
        [poll.observed_at for poll in polls],
        context.status_words,
        allow_odd_ids=context.settings.allow_odd_ids,
    )
    if isinstance(checked, LivePolls) and any(poll.says_more for poll in polls):
        checked = check_notes(checked, [SentNote(poll.event, poll.reason, poll.until) for poll in polls])
    if isinstance(checked, LivePolls):
        return checked
    raise RequestValidationError(
        [
            {"loc": ("body", "observations", fault.index, fault.field), "msg": fault.message}
            for fault in checked[:_SHOWN_FAULTS]
        ]
    )
