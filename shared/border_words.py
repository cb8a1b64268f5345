"""Words for where a segment of an explanation begins and ends. docs/how-to/explain.md explains each rule."""

from typing import Final

_BORDERS: Final = {
    "edge": ("at the opening", "at the closing"),
    "lifetime": ("at the first opening", "at the last closing"),
    "closure": ("after a closure", "before a closure"),
    "event": ("at an event", "at an event"),
    "midpoint": ("halfway from the last poll", "halfway to the next poll"),
    "poll": ("at a poll", "at a poll"),
    "slot": ("on the policy's grid", "on the policy's grid"),
    "stale": ("where a poll's reach begins", "where a poll's reach ends"),
    "as_of": ("at as_of", "at as_of"),
    "window": ("with the window", "with the window"),
}
_OF_A_CLOSURE: Final = {**_BORDERS, "closure": ("with the closure", "with the closure")}


def name_borders(begin_rule: str, end_rule: str, *, of_closure: bool) -> str:
    """Say where a segment begins and ends."""
    borders = _OF_A_CLOSURE if of_closure else _BORDERS
    return f"begins {borders[begin_rule][0]}, ends {borders[end_rule][1]}"
