"""Series: sums of daily facts by group of stores and by day, week or month."""

from typing import Annotated

from fastapi import APIRouter, Query

from services.api.context import Context
from services.api.routes.reports import Reader
from services.api.schemas.series import SeriesBody
from services.api.schemas.series_query import SeriesQuery
from services.api.use_cases.run_series import run_series
from shared.errors import Overloaded
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute

router = APIRouter(route_class=UniqueNamesRoute, tags=["series"])


@router.get("/v1/series", responses=answers(Overloaded))
async def read_fleet_series(
    context: Context, key: Reader, chosen: Annotated[SeriesQuery, Query()]
) -> SeriesBody:
    """Sum daily facts by group of stores and by day, week or month, in the local dates of the stores.

    Days without a fact that holds are left out and counted.
    """
    request = chosen.to_request()
    (series,) = await run_series(context, key, [request])
    return SeriesBody.of_series(request, series)
