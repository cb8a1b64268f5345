"""What all calls that change one store have in common: the id, the options, and the answer."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Concatenate, ParamSpec

from fastapi import Depends, Path, Query

from services.ingest.http.change_store import ChangeOptions, StoreChange
from services.ingest.http.context import Context, Writer
from services.ingest.http.dry_run import DryRun
from services.ingest.http.schemas_counts import CountsBody
from services.ingest.http.schemas_stores import StoreChangedBody
from shared.store_ids import require_store_id

_Arguments = ParamSpec("_Arguments")


# Not a plain function: FastAPI would run it in a thread at each call.
async def _read_store_id(
    context: Context, store_id: Annotated[str, Path(description="The store's id.")]
) -> str:
    return require_store_id(store_id, allow_odd=context.settings.allow_odd_ids)


async def read_known_id(store_id: Annotated[str, Path(description="The store's id.")]) -> str:
    """Return the clean id for a call that adds no store. Raise `InvalidRequest`."""
    return require_store_id(store_id, allow_odd=True)


# Not a plain function, as above.
async def _read_options(
    key: Writer,
    *,
    create: Annotated[bool, Query(description="Add the store if it is unknown.")] = False,
    dry_run: DryRun = False,
) -> ChangeOptions:
    return ChangeOptions(key.prefix, create=create, dry_run=dry_run)


Options = Annotated[ChangeOptions, Depends(_read_options)]
StoreId = Annotated[str, Depends(_read_store_id)]
# Calls that add no store also take ids that would not be accepted for a new one.
KnownStoreId = Annotated[str, Depends(read_known_id)]


async def run_change(
    context: Context,
    change: Callable[Concatenate[str, _Arguments], StoreChange],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> StoreChangedBody:
    """Run a change of one store, whose first argument is the database's address, and return the answer."""
    database_url = context.settings.database_url.get_secret_value()
    return _make_body(await context.changes_lane.run(partial(change, database_url, *args, **kwargs)))


def _make_body(change: StoreChange) -> StoreChangedBody:
    counts = change.counts
    return StoreChangedBody(
        store_id=change.store_id,
        import_id=change.import_id,
        counts=CountsBody(accepted=counts.accepted, duplicate=counts.duplicate, corrected=counts.corrected),
        warnings=list(change.warnings),
    )
