"""Compose an example for each JSON schema, from the examples of its fields or from the fields' names."""

from collections.abc import Mapping, Sequence
from typing import Any

_OF_NAME: Mapping[str, Any] = {
    "action": "report.created",
    "actor": "a1b2c3d4",
    "begin": "2024-10-14T15:00:00Z",
    "begin_local": "2024-10-14T10:00:00-05:00",
    "code": "rate_limited",
    "created_by": "a1b2c3d4",
    "day_of_week": 0,
    "download_url": "https://s3.example/uptill/reports/…/report.csv?X-Amz-Signature=…",
    "end": "2024-10-14T18:00:00Z",
    "end_local": "2024-10-14T13:00:00-05:00",
    "end_time_local": "22:00:00",
    "key": "upt_a1b2c3d4_…",
    "labels": {"region": "north"},
    "observed_at": "2024-10-14T17:30:00Z",
    "policy": "classic",
    "prefix": "a1b2c3d4",
    "rows": 3678,
    "scopes": ["reports:read", "reports:write"],
    "secret": "whsec_…",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size_bytes": 291024,
    "source": "store_status.csv",
    "start_time_local": "10:00:00",
    "store_id": "0042",
    "store_labels": {"owner": "anna"},
    "stores_done": 3678,
    "stores_total": 3678,
    "timezone": "America/Chicago",
    "tzdata_version": "2026.2",
    "url": "https://s3.example/uptill/reports/…/report.csv?X-Amz-Signature=…",
    "version": "0.1.0",
    "windows": ["last_hour", "last_day", "last_week"],
    "webhook_url": "https://hooks.example/uptill",
}
_RATHER_NULL = frozenset(
    {
        "delivery_error",
        "disabled_because",
        "ended_at",
        "error",
        "failing_since",
        "last_error",
        "next",
        "revoked_at",
        "same_as",
        "parent_id",
    }
)
_OF_FORMAT = {
    "date": "2024-12-25",
    "date-time": "2024-10-14T18:00:00Z",
    "uuid": "01928a5c-6f00-7b3e-9c4a-2f1d0e5a7b68",
}
_OF_TYPE: Mapping[str, Any] = {"string": "…", "integer": 1, "number": 1.0, "boolean": False, "null": None}


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "") -> Any:
    """Return a value the schema allows. `schemas` resolves references; `name` is the property's name."""
    return _Composer(schemas).value(schema, name)


class _Composer:
    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self._schemas = schemas
        self._open: list[str] = []  # open references: a schema that contains itself ends with an empty list

    def value(self, schema: Mapping[str, Any], name: str) -> Any:
        if given := _find_given(schema, name):
            return given[0]
        if "$ref" in schema:
            return self._follow_reference(schema["$ref"].rpartition("/")[2], name)
        if options := schema.get("anyOf"):
            wants_null = name in _RATHER_NULL
            return self.value(
                next((one for one in options if (one.get("type") == "null") is wants_null), options[0]), name
            )
        match schema.get("type"):
            case "object":
                return self._make_object(schema)
            case "array":
                return self._make_array(schema)
            case kind:
                return _OF_FORMAT.get(schema.get("format", ""), _OF_TYPE.get(str(kind)))

    def _follow_reference(self, target: str, name: str) -> Any:
        self._open.append(target)
        try:
            return self.value(self._schemas[target], name)
        finally:
            self._open.pop()

    def _make_object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        return {name: self.value(each, name) for name, each in properties.items()}

    def _make_array(self, schema: Mapping[str, Any]) -> list[Any]:
        items = schema.get("items", {})
        if items.get("$ref", "").rpartition("/")[2] in self._open:
            return []
        return [self.value(items, "")]


def _find_given(schema: Mapping[str, Any], name: str) -> Sequence[Any]:
    """Return example values: the field's own, those for its name, or its default."""
    chosen: Sequence[Any] = schema.get("examples") or schema.get("enum") or []
    if "const" in schema:
        chosen = [schema["const"]]
    elif not chosen and name in _OF_NAME and "$ref" not in schema.get("items", {}):
        chosen = [_OF_NAME[name]]
    elif not chosen and schema.get("default") is not None:
        chosen = [schema["default"]]
    return chosen
