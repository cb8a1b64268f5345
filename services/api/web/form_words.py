"""Say in the words of the upload form what a message says in those of the command. Must not know any message."""

import re
from typing import Final

# The labels of the form's fields under “How values are read”.
_FIELDS: Final = {
    "--status": "“Words for the status”",
    "--date-format": "“Format of timestamps”",
    "--effective-from": "“First date of the hours”",
    "--assume-utc": "“timestamps without a time zone are UTC”",
}
_FIELD: Final = re.compile("|".join(rf"{name}\b" for name in _FIELDS))
# Where else the same can be set.
_OTHER_WAYS: Final = re.compile(r" \((?:uploads: |always: )[^()]*\)")
# What the form has no field for.
_BY_OTHERS: Final = {
    "raise UPTILL_REJECT_LIMIT (--reject-limit)": "ask an administrator to raise the limit",
    "allow such ids with --allow-odd-ids (UPTILL_ALLOW_ODD_IDS=true)": "ask an administrator to allow such ids",
}


def form_words(text: str) -> str:
    """Return a message about a file for someone who uploads it with the form."""
    text = _OTHER_WAYS.sub("", text)
    for words, ours in _BY_OTHERS.items():
        text = text.replace(words, ours)
    return _FIELD.sub(lambda name: _FIELDS[name[0]], text)
