"""Progress of a report as server-sent events: one event per change, comments in between, until the report has ended.

A stream also ends when its key ends, and when this service stops; event sources then reconnect to another instance.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from services.api.context import Context
from services.api.routes.reports import Reader, ReportId
from services.api.schemas.report_summary import ProgressBody
from services.api.use_cases.reports import follow_report
from shared.http.demands import refuse_ended
from shared.http.unique_names import UniqueNamesRoute
from shared.reports.model import Report, ReportState

router = APIRouter(route_class=UniqueNamesRoute, tags=["reports"])


class ReportEvent(BaseModel):
    """The data of one event."""

    id: UUID
    state: ReportState
    progress: ProgressBody


async def _first_read(context: Context, key: Reader, report_id: ReportId) -> Report:
    """Read the report before the stream begins, so that an unknown one gets a 404 answer."""
    return await context.reads.read_report(report_id, key.visible)


@router.get(
    "/v1/reports/{report_id}/events",
    response_class=EventSourceResponse,
    responses={200: {"description": "Server-sent events, named after the report's state."}},
)
async def stream_events(
    context: Context, request: Request, response: Response, first: Annotated[Report, Depends(_first_read)]
) -> AsyncIterator[ServerSentEvent]:
    """Stream the progress of a report as server-sent events.

    Each event is named after the report's state and has the progress as JSON. The last event has the final state.
    """
    response.headers["Cache-Control"] = "no-store"
    async for report in follow_report(context, first, partial(refuse_ended, request)):
        event = ReportEvent(id=report.id, state=report.state, progress=ProgressBody.of_report(report))
        yield ServerSentEvent(event=report.state, data=event)
