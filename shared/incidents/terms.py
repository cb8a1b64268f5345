"""The terms of an alert rule: which stores, which kind of condition with which parameters. Must not know the database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from shared.errors import InvalidRequest
from shared.texts import quoted

NAME: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"
# An up run is known for two days, so a recovery must not have to be remembered for longer.
MAX_HOLD_OPEN_MINUTES: Final = 1_440
DEFAULT_HOLD_OPEN_MINUTES: Final = 10
_MAX_NAME: Final = 63
Value = int | float | str
# In place of the name of a label: any label. No label has this name.
ANY_LABEL: Final = "*"


class RuleKind(StrEnum):
    """What a rule looks for."""

    STORE_DOWN = "store_down"
    STORE_SILENT = "store_silent"
    FEED_SILENT = "feed_silent"
    GROUP_DOWN = "group_down"
    LATE_OPENING = "late_opening"
    SERVICE_LEVEL_AT_RISK = "service_level_at_risk"


class Parameter(NamedTuple):
    """The range and the default of a number. Without bounds it is a text. None as the default: off, unless required."""

    default: Value | None = None
    least: float | None = None
    most: float | None = None
    whole: bool = True
    required: bool = False


_TEXT: Final = Parameter(required=True)
PARAMETERS: Final[Mapping[RuleKind, Mapping[str, Parameter]]] = MappingProxyType(
    {
        RuleKind.STORE_DOWN: {
            "inactive_polls": Parameter(2, 1, 100),
            "down_minutes": Parameter(None, 1, 10_080),
            "guard_after_opening_minutes": Parameter(10, 0, 240),
            "guard_before_closing_minutes": Parameter(10, 0, 240),
        },
        # Live state is silent after three gaps, so fewer cannot be told.
        RuleKind.STORE_SILENT: {"missed_polls": Parameter(3, 3, 100)},
        RuleKind.FEED_SILENT: {
            "share": Parameter(0.5, 0.01, 1, whole=False),
            "min_stores": Parameter(10, 2, 1_000_000),
            "missed_polls": Parameter(2, 1, 100),
        },
        RuleKind.GROUP_DOWN: {
            "by": _TEXT,
            "at_least": Parameter(3, 2, 1_000_000),
            "share": Parameter(None, 0.01, 1, whole=False),
            "false_alarms_per_year": Parameter(None, 0.01, 10_000, whole=False),
            "window_minutes": Parameter(60, 1, 1_440),
        },
        RuleKind.LATE_OPENING: {"after_minutes": Parameter(30, 1, 720)},
        RuleKind.SERVICE_LEVEL_AT_RISK: {"service_level": _TEXT},
    }
)


# At least one of the two.
_EITHER: Final = {
    RuleKind.STORE_DOWN: ("inactive_polls", "down_minutes"),
    RuleKind.GROUP_DOWN: ("at_least", "share"),
}


@dataclass(frozen=True)
class RuleTerms:
    """What a rule looks for. `parameters` gets the defaults of those that are missing; None: off. Raises `InvalidRequest`."""

    kind: RuleKind
    labels: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    hold_open_minutes: int = DEFAULT_HOLD_OPEN_MINUTES

    def __post_init__(self) -> None:
        known = PARAMETERS[self.kind]
        if unknown := sorted(set(self.parameters) - set(known)):
            raise _invalid(
                unknown[0],
                f"a rule of kind {self.kind.value} has no parameter {quoted(unknown[0])}: use {', '.join(known)}",
            )
        given = {
            name: _check(name, parameter, self.parameters.get(name, parameter.default))
            for name, parameter in known.items()
        }
        object.__setattr__(self, "parameters", given)
        for kind, (first, second) in _EITHER.items():
            if self.kind is kind and given[first] is None and given[second] is None:
                raise _invalid(first, f"{first} and {second} are both off: give at least one of them")
        if given.get("by") == ANY_LABEL and given["false_alarms_per_year"] is None:
            raise _invalid(
                "false_alarms_per_year",
                "false_alarms_per_year is missing: without it, a rule for any label (by: *) cannot tell which label explains"
                " an outage",
            )
        if not 0 <= self.hold_open_minutes <= MAX_HOLD_OPEN_MINUTES:
            raise InvalidRequest(
                f"hold_open_minutes {self.hold_open_minutes} is out of range: use 0 to {MAX_HOLD_OPEN_MINUTES}",
                field="body.hold_open_minutes",
            )


def check_rule_name(name: str) -> str:
    """Return the name of a rule. Raises `InvalidRequest` if it is malformed."""
    if not re.fullmatch(NAME, name):
        raise InvalidRequest(
            f"invalid name {quoted(name)}: use 1 to 63 lower-case letters, digits, `.`, `_` and `-`, beginning with a letter"
            " or a digit",
            field="path.rule",
        )
    return name


def _check(name: str, parameter: Parameter, value: Value | None) -> Value | None:
    if value is None:
        if parameter.required:
            raise _invalid(name, f"parameter {name} is missing: this kind of rule needs it")
        return None
    if parameter.least is None or parameter.most is None:
        if not isinstance(value, str) or not 1 <= len(value) <= _MAX_NAME:
            raise _invalid(
                name, f"invalid {name} {quoted(str(value))}: use a name of 1 to {_MAX_NAME} characters"
            )
        return value
    if (
        isinstance(value, (str, bool))
        or not parameter.least <= value <= parameter.most
        or (parameter.whole and value != int(value))
    ):
        number = "a whole number" if parameter.whole else "a number"
        raise _invalid(
            name,
            f"invalid {name} {quoted(str(value))}: use {number} from {parameter.least:g} to {parameter.most:g}",
        )
    return int(value) if parameter.whole else float(value)


def _invalid(name: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, field=f"body.parameters.{name}")
