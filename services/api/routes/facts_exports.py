"""Jobs that write months of daily facts as Parquet into the bucket, as resources: create, show, cancel."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Response, status
from psycopg import AsyncConnection

from services.api.context import Context
from services.api.routes.facts import Admin
from services.api.routes.jobs import JobRoutes
from services.api.schemas.facts_exports import FactsExportBody, FactsExportCreate
from shared.errors import FactsNotFound
from shared.facts.exports import cancel_export, get_export, list_exported, trigger_export
from shared.http.contract import answers, with_headers
from shared.http.observe import current_origin
from shared.http.unique_names import UniqueNamesRoute
from shared.reports.acceptance import Accepted

router = APIRouter(route_class=UniqueNamesRoute, tags=["facts"])


async def _show(conn: AsyncConnection, job_id: UUID) -> FactsExportBody:
    job = await get_export(conn, job_id)
    return FactsExportBody.of_job(job, await list_exported(conn, job))


_EXPORTS = JobRoutes("/v1/facts/exports", "facts.export_", _show, cancel_export)
ExportId = Annotated[UUID, Path(description="The export's id.")]


@router.post(
    "/v1/facts/exports",
    status_code=status.HTTP_202_ACCEPTED,
    responses=with_headers(status.HTTP_202_ACCEPTED, "Location", "Retry-After"),
)
async def create_export(
    context: Context, key: Admin, response: Response, body: FactsExportCreate
) -> FactsExportBody:
    """Write months of daily facts to the bucket, as one Parquet file per month.

    Workers write them after reports and after facts. Months that have not changed since they were written are left as they
    are.
    """
    request = body.to_request()

    async def accept(conn: AsyncConnection) -> Accepted:
        return await trigger_export(
            conn, request, context.batch_terms.republish_s, key.prefix, current_origin()
        )

    return await _EXPORTS.create(context, key.prefix, response, accept)


@router.get(
    "/v1/facts/exports/{export_id}",
    responses={**answers(FactsNotFound), **with_headers(status.HTTP_200_OK, "Retry-After")},
)
async def read_export(
    context: Context, key: Admin, response: Response, export_id: ExportId
) -> FactsExportBody:
    """Show an export of daily facts, its progress, and the objects of its months."""
    del key
    return await _EXPORTS.read(context, response, export_id)


@router.delete("/v1/facts/exports/{export_id}", responses=answers(FactsNotFound))
async def cancel_facts_export(context: Context, key: Admin, export_id: ExportId) -> FactsExportBody:
    """Cancel an export of daily facts. Months that were written stay. An export that has ended is not changed."""
    return await _EXPORTS.end(context, key.prefix, export_id)
