"""Incidents: list, show, acknowledge, note. Only evaluations open and end them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from services.api.context import Context
from services.api.routes.reports import NO_STORE, Reader, Writer
from services.api.schemas.incidents import (
    IncidentBody,
    IncidentList,
    IncidentPage,
    IncidentPatch,
    IncidentQuery,
)
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import IncidentHasEnded, IncidentNotFound, LimitReached
from shared.http.contract import answers
from shared.http.cursors import cut_page, id_cursor
from shared.http.unique_names import UniqueNamesRoute
from shared.incidents.stored import change_incident, get_incident, list_events, list_incidents, list_members

router = APIRouter(route_class=UniqueNamesRoute, tags=["incidents"])
IncidentId = Annotated[UUID, Path(description="The incident's id.")]


@router.get("/v1/incidents")
async def read_incidents(
    context: Context, key: Reader, response: Response, chosen: Annotated[IncidentQuery, Query()]
) -> IncidentList:
    """List incidents, newest first."""
    choice = chosen.to_choice()
    async with borrowed_async(context.pools.reading) as conn:
        found = await list_incidents(conn, key.visible, limit=chosen.limit + 1, **choice)
    page, last = cut_page(found, chosen.limit)
    response.headers.update(NO_STORE)
    return IncidentList(
        incidents=[IncidentBody.of_incident(each) for each in page],
        next=None if last is None else id_cursor(last.id),
    )


@router.get("/v1/incidents/{incident_id}", responses=answers(IncidentNotFound))
async def read_incident(
    context: Context, key: Reader, response: Response, incident_id: IncidentId
) -> IncidentPage:
    """Show an incident with its stores and its timeline."""
    async with borrowed_async(context.pools.reading) as conn, conn.transaction():
        incident = await get_incident(conn, incident_id, key.visible)
        stores = await list_members(conn, incident, key.visible)
        events = await list_events(conn, incident)
    response.headers.update(NO_STORE)
    return IncidentPage.with_parts(incident, stores, events)


@router.patch(
    "/v1/incidents/{incident_id}", responses=answers(IncidentNotFound, IncidentHasEnded, LimitReached)
)
async def patch_incident(
    context: Context, key: Writer, incident_id: IncidentId, body: IncidentPatch
) -> IncidentBody:
    """Acknowledge an incident, or add a note to its timeline. To acknowledge it twice changes nothing."""
    async with autocommitting_async(context.pools.accepting) as conn:
        changed = await change_incident(
            conn,
            incident_id,
            key.visible,
            by=key.prefix,
            acknowledged=body.acknowledged is not None,
            note=body.note,
        )
    return IncidentBody.of_incident(changed)
