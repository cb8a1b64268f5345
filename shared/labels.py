"""Labels of stores such as `region: north`: which are valid, and how a filter is written."""

import json
import re
from collections.abc import Iterable, Mapping

from shared.texts import quoted

MAX_LABELS = 32
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,62}", re.ASCII)
_MAX_VALUE = 255


def is_label_name(text: str) -> bool:
    """Return whether a label may have this name."""
    return _NAME.fullmatch(text) is not None


def is_label_value(text: str) -> bool:
    """Return whether a label may have this value."""
    return 1 <= len(text) <= _MAX_VALUE and text.isprintable()


def label_fault(name: str, value: str) -> str | None:
    """Return what is wrong with a label, or None."""
    if not is_label_name(name):
        return f"invalid label name {quoted(name)}: use 1 to 63 letters, digits, _ . / -, beginning with a letter, a digit or _"
    if not is_label_value(value):
        return f"invalid value of label {quoted(name)}: use 1 to {_MAX_VALUE} printable characters"
    return None


def checked_labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return the labels. Raises ValueError for an invalid label, or for too many."""
    if len(labels) > MAX_LABELS:
        raise ValueError(f"{len(labels)} labels are too many: use at most {MAX_LABELS}")
    for fault in (label_fault(name, value) for name, value in labels.items()):
        if fault is not None:
            raise ValueError(fault)
    return labels


def parse_labels(texts: Iterable[str], *, separator: str) -> Mapping[str, str]:
    """Parse labels written as `NAME<separator>VALUE`. Raises ValueError, also for a name that occurs twice."""
    labels: dict[str, str] = {}
    for text in texts:
        name, found, value = text.partition(separator)
        if not found:
            raise ValueError(f"invalid label {quoted(text)}: write it as NAME{separator}VALUE")
        if name in labels:
            raise ValueError(f"the label {quoted(name)} is given twice: give each label once")
        labels[name] = value
    return checked_labels(labels)


def shown_labels(stored: object) -> Mapping[str, str]:
    """Return stored labels for an answer. Values that no request can have written do not break a whole page.

    Labels that are not an object match no filter, so none are shown. A value that is not a text is shown as JSON.
    """
    if not isinstance(stored, Mapping):
        return {}
    return {
        str(name): value if isinstance(value, str) else json.dumps(value) for name, value in stored.items()
    }
