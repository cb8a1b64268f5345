"""The page's views of incidents: the open ones first, one with its timeline, and what people do about it."""

from http import HTTPStatus
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from services.api.context import Context
from services.api.schemas.incidents import IncidentPatch
from services.api.web.error_page import PAGE_TAG
from services.api.web.forms import SentForm, parse_fields
from services.api.web.incident_words import KIND_NAMES
from services.api.web.read_incidents import (
    ENDED,
    NOT_ENDED,
    IncidentChoice,
    read_incident_parts,
    read_whole_incident,
)
from services.api.web.render import render, root_of
from services.api.web.require_session import PageReader, PageWriter
from shared.db.connect import autocommitting_async
from shared.incidents.stored import change_incident
from shared.incidents.terms import RuleKind
from shared.texts import storable

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
IncidentId = Annotated[UUID, Path()]
StateFilter = Literal["", "not_ended", "open", "acknowledged", "ended", "resolved", "withdrawn"]
_GROUPS: Final = {"not_ended": NOT_ENDED, "ended": ENDED}
_STATE_NAMES: Final = {
    "": "all, open ones first",
    "not_ended": "not ended",
    "open": "not acknowledged",
    "acknowledged": "acknowledged",
    "ended": "ended",
    "resolved": "resolved",
    "withdrawn": "withdrawn",
}


class IncidentsQuery(BaseModel):
    """Filters and position in the list. A form also sends the fields that nobody filled in."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[str, AfterValidator(storable)] = Field(default="", max_length=200)
    state: StateFilter = ""
    kind: RuleKind | Literal[""] = ""
    rule: Annotated[str, AfterValidator(storable)] = Field(default="", max_length=63)
    cursor: str | None = None

    def to_choice(self) -> IncidentChoice:
        """Return which incidents to list."""
        states = _GROUPS.get(self.state, [self.state]) if self.state else None
        return IncidentChoice(
            states, self.kind or None, self.rule or None, self.q.strip() or None, self.cursor
        )


@router.get("/incidents")
async def show_incidents(
    context: Context, key: PageReader, request: Request, chosen: Annotated[IncidentsQuery, Query()]
) -> Response:
    """List incidents: those that have not ended, then the latest of the others; or one page of some states."""
    parts, rules = await read_incident_parts(context, key, chosen.to_choice())

    def build() -> Response:
        return render(
            request,
            "incidents.html",
            parts=parts,
            rules=rules,
            chosen=chosen,
            states=_STATE_NAMES,
            kinds=KIND_NAMES,
        )

    return await run_in_threadpool(build)


@router.get("/incidents/{incident_id}")
async def show_incident(
    context: Context, key: PageReader, request: Request, incident_id: IncidentId
) -> Response:
    """Show an incident with its stores and its timeline, and to admins the messages of its rule."""
    view = await read_whole_incident(context, key, incident_id)
    return await run_in_threadpool(lambda: render(request, "incident.html", view=view))


@router.post("/incidents/{incident_id}")
async def change(
    context: Context, key: PageWriter, request: Request, incident_id: IncidentId, form: SentForm
) -> Response:
    """Acknowledge an incident, or add a note, or both, as `PATCH /v1/incidents/{incident_id}` does."""
    given = {
        "acknowledged": True if form.text("action") == "acknowledge" else None,
        "note": form.text("note") or None,
    }
    body = parse_fields(IncidentPatch, given)
    async with autocommitting_async(context.pools.accepting) as conn:
        await change_incident(
            conn,
            incident_id,
            key.visible,
            by=key.prefix,
            acknowledged=body.acknowledged is not None,
            note=body.note,
        )
    return RedirectResponse(f"{root_of(request)}incidents/{incident_id}", HTTPStatus.SEE_OTHER)
