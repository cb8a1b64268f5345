"""Series: sums of daily facts by group of stores and by day, week or month."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.api.context import Context
from services.api.routes.reports import Reader
from services.api.schemas.series import SeriesBody
from services.api.schemas.series_query import SeriesQuery
from services.api.use_cases.series import read_series
from shared.db.connect import borrowed_async, connect
from shared.errors import Overloaded
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.reports.insert_report import refuse_unknown
from shared.reports.parameters import StoreFilter

router = APIRouter(route_class=UniqueNamesRoute, tags=["series"])


@router.get("/v1/series", responses=answers(Overloaded))
async def read_fleet_series(
    context: Context, key: Reader, chosen: Annotated[SeriesQuery, Query()]
) -> SeriesBody:
    """Sum daily facts by group of stores and by day, week or month, in the local dates of the stores.

    Days without a fact that holds are left out and counted.
    """
    request, settings = chosen.to_request(), context.settings
    async with context.series_turns.take(key.prefix):
        async with borrowed_async(context.pools.reading) as conn:
            await refuse_unknown(conn, StoreFilter.of(request.store_ids, None), key.visible, "query.store")

        def compute() -> SeriesBody:
            with connect(
                settings.database_url.get_secret_value(),
                application_name="uptill-api series",
                statement_timeout_s=settings.statement_timeout_s,
                autocommit=True,
            ) as conn:
                return SeriesBody.of_series(request, read_series(conn, request, key.visible))

        return await context.series_lane.run(compute)
