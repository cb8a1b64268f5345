"""Draw a group of stores as squares: a link for each, short enough that thousands of them are one small page.

The usual state of a group needs no word and no class on each square; the group says which it is.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from services.api.web.words import in_path
from shared.pictures.words import plain

# What a browser's style sheet gives a shape and a colour.
CLASSES: Final[Mapping[str, str]] = {
    "down": "d",
    "silent": "s",
    "unknown": "n",
    "up": "u",
    "closed": "c",
    "excluded": "x",
    "ended": "e",
}
_LONGEST_NAME: Final = 14
_HEAD, _TAIL = 4, 4
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
# Attributes need no quotes: a path has only letters, digits and `%-._~/`.
_USUAL: Final = Markup("<a href=stores/{}>{}</a>")
_OTHER: Final = Markup("<a href=stores/{} class={}>{} {}</a>")


def draw_squares(squares: Sequence[tuple[str, str]], usual: str) -> Markup:
    """Return the links, relative to the root of the page."""
    # Each part is escaped, or needs no escape.
    return Markup("".join(_draw(store_id, state, usual) for store_id, state in squares))  # noqa: S704


def _draw(store_id: str, state: str, usual: str) -> Markup | str:
    if _PLAIN_ID.fullmatch(store_id):  # needs no escape, which would be most of the time of the page
        name = _shorten(store_id)
        if state == usual:
            return f"<a href=stores/{store_id}>{name}</a>"
        return f"<a href=stores/{store_id} class={CLASSES[state]}>{name} {state}</a>"
    path, name = in_path(store_id), _shorten(plain(store_id))
    return _USUAL.format(path, name) if state == usual else _OTHER.format(path, CLASSES[state], name, state)


def _shorten(text: str) -> str:
    """Return a name of few bytes. The page's script shows the whole id of the square at hand."""
    return text if len(text) <= _LONGEST_NAME else f"{text[:_HEAD]}\u2026{text[-_TAIL:]}"
