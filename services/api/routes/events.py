"""Progress as server-sent events: one event at each change, a comment while nothing changes, until the report has ended.

A stream also ends when this service closes (event sources connect again by themselves, to another instance then), and when
its key was revoked or has expired.
"""

from collections.abc import AsyncIterator
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from services.api.changes import LOOK_S
from services.api.context import ApiContext, Context
from services.api.routes.reports import Reader
from services.api.schemas import Progress
from shared.errors import AuthenticationError, DatabaseUnavailable
from shared.http.auth import refuse_ended
from shared.keys import EVERY_STORE
from shared.reports.model import Report, ReportState

router = APIRouter(tags=["reports"])
_LOOKS_BETWEEN_COMMENTS = 15  # 15 s: proxies cut a connection that is silent for longer


class ReportEvent(BaseModel):
    """The data of an event; the report itself, with its files, is at `/v1/reports/{id}`."""

    id: UUID
    state: ReportState
    progress: Progress

    @classmethod
    def of(cls, report: Report) -> "ReportEvent":
        progress = Progress(stores_done=report.stores_done, stores_total=report.stores_total)
        return cls(id=report.id, state=report.state, progress=progress)


@router.get(
    "/v1/reports/{report_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events named after the state."}},
)
async def events(context: Context, key: Reader, request: Request, report_id: UUID) -> StreamingResponse:
    """Follow a report: events named after its state, with the progress as JSON; the last one has the final state."""
    first = await context.looks.report(report_id, key.visible)  # 404 comes as an answer, not as a stream
    return StreamingResponse(
        _stream(context, request, first),
        media_type="text/event-stream",
        # nginx and others would hold events back until their buffer is full.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(context: ApiContext, request: Request, report: Report) -> AsyncIterator[str]:
    told: ReportEvent | None = None
    silent = 0
    with context.changes.waiter(report.id, progress=True) as waiter:
        while True:
            event = ReportEvent.of(report)
            silent += 1
            if event != told:
                told, silent = event, 0
                yield f"event: {event.state}\ndata: {event.model_dump_json()}\n\n"
            elif silent % _LOOKS_BETWEEN_COMMENTS == 0:
                yield ": still here\n\n"
            if report.is_final or await request.is_disconnected():
                return
            pace_s = context.changes.pace_s  # changes that follow each other closely are one event
            if await context.stopping.pause(pace_s) or await context.stopping.pause(LOOK_S, waiter.changed):
                return
            waiter.changed.clear()
            try:
                await refuse_ended(request)
                report = await context.looks.report(report.id, EVERY_STORE)
            except AuthenticationError:
                return
            except DatabaseUnavailable:
                continue  # the next look may succeed; the client need not connect anew
