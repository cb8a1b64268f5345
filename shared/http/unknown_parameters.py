"""Refuse query parameters that a route does not have: a typo would otherwise be ignored without a word."""

from typing import Any

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes

from shared.errors import InvalidRequest

# By the id of the route; holding the route keeps the id unique.
_known: dict[int, tuple[object, frozenset[str]]] = {}


def refuse_unknown_parameters(request: Request) -> None:
    """Raise `InvalidRequest` that names the first unknown parameter of the query."""
    route: Any = request.scope.get("route")
    if not request.scope.get("query_string") or not hasattr(route, "dependant"):
        return
    if id(route) not in _known:
        _known[id(route)] = route, frozenset(_list_parameters(route))
    known = _known[id(route)][1]
    for name in request.query_params:
        if name not in known:
            field = f"query.{name}"
            raise InvalidRequest(f"{field}: unknown parameter: check the name or remove it", field=field)


def _list_parameters(route: Any) -> list[str]:
    fields: list[Any] = get_flat_params(route.dependant)
    return [
        each.alias for each in fields if getattr(each.field_info, "in_", ParamTypes.query) == ParamTypes.query
    ]
