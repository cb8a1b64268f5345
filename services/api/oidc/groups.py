"""Which groups of the provider may do what: the value of `UPTILL_OIDC_GROUPS`."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared.errors import ConfigurationError, InvalidRequest
from shared.keys import KeyTerms

_SETTING: Final = "UPTILL_OIDC_GROUPS"
_EXAMPLE: Final = '{"uptill-operators": {"scopes": ["reports:read"], "labels": {"region": "north"}}}'
_NEEDED: Final = ("reports:read", "admin")  # one of these: the page shows nothing without


@dataclass(frozen=True)
class GroupRights:
    """What the members of a group may do. `labels` None means every store."""

    group: str
    scopes: Sequence[str]
    labels: Mapping[str, str] | None


def parse_groups(text: str) -> Sequence[GroupRights]:
    """Return the groups in the order of the setting. Raises `ConfigurationError`."""
    try:
        given = json.loads(text or "null", object_pairs_hook=_refuse_repeats)
    except ValueError as error:
        raise ConfigurationError(f"{_SETTING} is not JSON ({error}): write it as in {_EXAMPLE}") from None
    if not isinstance(given, dict) or not given:
        raise ConfigurationError(f"{_SETTING} names no group: write it as in {_EXAMPLE}")
    return [_parse_group(group, value) for group, value in given.items()]


def rights_of(mapped: Sequence[GroupRights], groups: Collection[str]) -> GroupRights | None:
    """Return the rights of a member of these groups: those of the first one in the setting, never a mixture."""
    return next((rights for rights in mapped if rights.group in groups), None)


def _refuse_repeats(pairs: list[tuple[str, object]]) -> Mapping[str, object]:
    # The last of two would silently win, and give the group other rights than the line that was read.
    for number, (name, _) in enumerate(pairs):
        if name in [each for each, _ in pairs[:number]]:
            raise ConfigurationError(f"{_SETTING} has {name!r} twice in one object: keep one of them")
    return dict(pairs)


def _parse_group(group: str, value: object) -> GroupRights:
    place = f"{_SETTING}, group {group!r}"
    if not isinstance(value, dict) or not {"scopes"} <= value.keys() <= {"scopes", "labels"}:
        raise ConfigurationError(f"{place} must have scopes, and may have labels: write it as in {_EXAMPLE}")
    scopes, labels = value["scopes"], value.get("labels")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise ConfigurationError(f"{place}: scopes must be a list of texts, as in {_EXAMPLE}")
    if labels is not None and not isinstance(labels, dict):
        raise ConfigurationError(f"{place}: labels must be an object, as in {_EXAMPLE}")
    try:
        KeyTerms("group", scopes, labels)
    except InvalidRequest as error:
        raise ConfigurationError(f"{place}: {error}") from None
    if not set(_NEEDED) & set(scopes):
        raise ConfigurationError(f"{place} lacks the scope reports:read, which the page needs: add it")
    return GroupRights(group, scopes, labels)
