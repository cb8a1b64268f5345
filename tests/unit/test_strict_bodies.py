"""Numbers, flags, dates and instants of requests: only what is written as such, never what could be turned into it."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, Strict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from shared.http.bodies import RequestBody
from shared.http.written_times import WrittenDate, WrittenInstant
from tests.reference import applications

applications()  # imports every body
_SCALARS = {bool, int, float}


def _list_bodies(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in base.__subclasses__():
        yield each
        yield from _list_bodies(each)


def _find_loose(annotation: object, metadata: tuple[object, ...]) -> bool:
    """Whether a number or a flag in this type can be made from another one."""
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        found = [part for each in more for part in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return _find_loose(inner, tuple(found))
    if annotation in _SCALARS:
        return not any(isinstance(each, Strict) and each.strict for each in metadata)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bool(_loose_fields(annotation))
    arguments = get_args(annotation)
    # A union of a text and a number takes each as it is.
    takes_text = get_origin(annotation) in {Union, UnionType} and str in arguments
    return not takes_text and any(_find_loose(each, ()) for each in arguments)


def _loose_fields(body: type[BaseModel]) -> list[str]:
    return [
        f"{body.__name__}.{name}"
        for name, field in body.model_fields.items()
        if _find_loose(field.annotation, tuple(field.metadata))
    ]


def test_numbers_and_flags_of_bodies_are_strict() -> None:
    bodies = list(_list_bodies(RequestBody))
    assert len(bodies) > 10
    assert [name for body in bodies for name in _loose_fields(body)] == []


class _Loose(BaseModel):
    limits: dict[str, float]


def test_the_search_finds_a_loose_number() -> None:
    assert _loose_fields(_Loose) == ["_Loose.limits"]


@pytest.mark.parametrize(
    "given",
    [
        1727740800,
        0,
        True,
        "1727740800",
        "20241001",
        "2024-10-01T00:00:00",
        "2024-10-01T23:00:00Z",
        " 2024-10-01",
    ],
)
def test_a_date_is_a_date_only(given: object) -> None:
    with pytest.raises(ValidationError, match="not a date"):
        TypeAdapter(WrittenDate).validate_python(given)


@pytest.mark.parametrize(
    "given", [1728896400, 1728896400.5, True, "1728896400", "-1", "+1.5", " 7 ", "1_000", ""]
)
def test_an_instant_is_no_number(given: object) -> None:
    with pytest.raises(ValidationError, match="not an instant"):
        TypeAdapter(WrittenInstant).validate_python(given)


@pytest.mark.parametrize(
    "given", ["2024-10-14T18:00:00Z", "2024-10-14 18:00:00+05:45", "2024-10-14T18:00:00.5-03:30"]
)
def test_written_instants_are_read(given: str) -> None:
    assert TypeAdapter(WrittenInstant).validate_python(given).tzinfo is not None
