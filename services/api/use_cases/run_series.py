"""Compute series for a caller: one call of a key at a time, in a thread, on a connection of its own."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from services.api.context import ApiContext
from services.api.use_cases.data_versions import read_version
from services.api.use_cases.series import Series, SeriesRequest, read_series
from shared.db.connect import borrowed_async, connect
from shared.keys import ApiKey
from shared.reports.insert_report import refuse_unknown
from shared.reports.parameters import StoreFilter


async def run_series(context: ApiContext, key: ApiKey, asked: Sequence[SeriesRequest]) -> Sequence[Series]:
    """Return the series of each request. Raises `InvalidRequest`, `RateLimited` and `Overloaded`."""
    settings = context.settings
    async with context.series_turns.take(key.prefix):
        async with borrowed_async(context.pools.reading) as conn:
            for request in asked:
                await refuse_unknown(
                    conn, StoreFilter.of(request.store_ids, None), key.visible, "query.store"
                )

        def compute() -> Sequence[Series]:
            with connect(
                settings.database_url.get_secret_value(),
                application_name="uptill-api series",
                statement_timeout_s=settings.statement_timeout_s,
                autocommit=True,
            ) as conn:
                return [read_series(conn, request, key.visible) for request in asked]

        return await context.series_lane.run(compute)


async def recall_series(context: ApiContext, key: ApiKey, asked: Sequence[SeriesRequest]) -> Sequence[Series]:
    """Like `run_series`, for requests of one policy, with the series of callers who see the same stores if they are new enough."""
    async with borrowed_async(context.pools.reading) as conn:
        version = await read_version(conn, "series", asked[0].policy)
    name = json.dumps([key.store_labels, *map(asdict, asked)], sort_keys=True, default=str)
    return await context.series_kept.read(name, version, lambda: run_series(context, key, asked))
