"""Say who set the hours and the time zone of a store, and when."""

from collections.abc import Iterator

from services.cli.console import minute
from uptill_client import ChangeMaker, StoreDetail


def list_makers(store: StoreDetail) -> Iterator[tuple[str, str]]:
    """Yield what is known, as fields."""
    for name, maker in (("hours set", store.hours_set), ("zone set", store.timezone_set)):
        if maker:
            yield name, f"{minute(maker.changed_at)} UTC by {_describe(maker)}"


def _describe(maker: ChangeMaker) -> str:
    by = f"the key {maker.changed_by}" if maker.changed_by else "the command"
    source = f": {maker.source}" if maker.source else ""
    return f"{by}{source} (import {maker.import_id})" if maker.import_id else f"{by}{source}"
