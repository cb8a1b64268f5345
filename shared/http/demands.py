"""Which key a route demands, and whether a long call's key is still live."""

from collections.abc import Iterator
from contextlib import suppress

from fastapi import Request
from fastapi.dependencies.models import Dependant

from shared.errors import InfrastructureError
from shared.http.auth import RequireScope


async def refuse_ended(request: Request) -> None:
    """Raise `AuthenticationError` if the caller's key has ended meanwhile. A database outage does not end keys."""
    demand = demand_of(request.scope.get("route"))
    if demand is not None:
        with suppress(InfrastructureError):
            await demand.find_key(request)


def callers_of(dependant: Dependant) -> Iterator[RequireScope]:
    """Yield the `RequireScope` dependencies of a route."""
    if isinstance(dependant.call, RequireScope):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from callers_of(inner)


_demands: dict[
    int, tuple[object, RequireScope | None]
] = {}  # by the id of the route; holding the route keeps the id unique


def demand_of(route: object) -> RequireScope | None:
    """Return the `RequireScope` dependency of a route, or None if it is public or missing."""
    if id(route) not in _demands:
        dependant: Dependant | None = getattr(route, "dependant", None)
        found = None if dependant is None else next(callers_of(dependant), None)
        _demands[id(route)] = (route, found)
    return _demands[id(route)][1]
