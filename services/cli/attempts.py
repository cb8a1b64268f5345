"""What `uptill channels messages` and `uptill webhooks deliveries` share: options, and how the attempts are shown."""

from datetime import datetime
from typing import Annotated, Final, Protocol

import typer

from services.cli.console import minute

State = Annotated[str | None, typer.Option(help="Only this state: pending, leased, delivered or failed.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Show at most this many.")]
ATTEMPT_TITLES: Final = ("id", "created (UTC)", "state", "attempt", "status")


class Attempted(Protocol):
    """A message or a delivery, with its last attempt."""

    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def state(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def last_status(self) -> int | None: ...


def attempt_cells(one: Attempted) -> tuple[str, ...]:
    """Return the cells under `ATTEMPT_TITLES`."""
    return (one.id, minute(one.created_at), one.state, str(one.attempt), str(one.last_status or "-"))
