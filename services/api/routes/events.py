"""Progress of a report as server-sent events: one event per change, comments in between, until the report has ended.

A stream also ends when its key ends, and when this service stops; event sources then reconnect to another instance.
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
_LOOKS_BETWEEN_COMMENTS = 15  # every 15 s: proxies close connections that are silent for longer


class ReportEvent(BaseModel):
    """The data of one event."""

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
    responses={
        200: {
            "content": {"text/event-stream": {}},
            "description": "Server-sent events, named after the report's state.",
        }
    },
)
async def events(context: Context, key: Reader, request: Request, report_id: UUID) -> StreamingResponse:
    """Stream the progress of a report as server-sent events.

    Each event is named after the report's state and has the progress as JSON. The last event has the final state.
    """
    first = await context.looks.report(
        report_id, key.visible
    )  # an unknown report gets a 404 answer, not a stream
    return StreamingResponse(
        _stream(context, request, first),
        media_type="text/event-stream",
        # Without this header, nginx and others hold events back until a buffer is full.
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
            if await context.stopping.pause(LOOK_S, waiter.changed):
                return
            waiter.changed.clear()
            try:
                await refuse_ended(request)
                report = await context.looks.report(report.id, EVERY_STORE)
            except AuthenticationError:
                return
            except DatabaseUnavailable:
                continue  # the next read may succeed, so keep the stream open
