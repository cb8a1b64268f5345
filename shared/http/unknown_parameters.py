"""Refuse query parameters that would be ignored without a word: unknown ones, and repeated ones that have one value."""

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import ParamTypes

from shared.errors import InvalidRequest

# By the id of the route; holding the route keeps the id unique.
_known: dict[int, tuple[object, Mapping[str, bool]]] = {}


def refuse_unknown_parameters(request: Request) -> None:
    """Raise `InvalidRequest` that names the first parameter that is unknown, or repeated although it has one value."""
    route: Any = request.scope.get("route")
    if not request.scope.get("query_string") or not hasattr(route, "dependant"):
        return
    if id(route) not in _known:
        _known[id(route)] = route, _list_parameters(route)
    repeatable = _known[id(route)][1]
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in repeatable:
            raise _refuse(name, "unknown parameter: check the name or remove it")
        if name in seen and not repeatable[name]:
            raise _refuse(name, "was given more than once, but has one value: give it once")
        seen.add(name)


def _refuse(name: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"query.{name}: {why}", field=f"query.{name}")


def _is_list(annotation: object) -> bool:
    return any(get_origin(each) is list for each in (annotation, *get_args(annotation)))


def _list_parameters(route: Any) -> Mapping[str, bool]:
    """Return for each parameter of the query whether it may be repeated."""
    fields: list[Any] = get_flat_params(route.dependant)
    return {
        each.alias: _is_list(each.field_info.annotation)
        for each in fields
        if getattr(each.field_info, "in_", ParamTypes.query) == ParamTypes.query
    }
