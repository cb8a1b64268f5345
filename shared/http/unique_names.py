"""JSON whose objects name each member once: of two members with one name a parser would silently drop the first."""

import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from shared.json_numbers import WrittenFloat

REPEATED = "is given twice in one object"
NOT_A_VALUE = "is not a JSON value"
_SHOWN = 50


def load_unique(body: bytes) -> Any:
    """Parse JSON; numbers with a point or an exponent are `WrittenFloat`. Raises json.JSONDecodeError that names a member given twice, or says what is not JSON."""
    return _DECODER.decode(body.decode(json.detect_encoding(body), "surrogatepass"))


class UniqueNamesRoute(APIRoute):
    """A route whose JSON body is read by `load_unique`: a repeated name is 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        return load_unique(await self.body())


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Counted in one pass: a body may have 100,000 names.
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise json.JSONDecodeError(f"the name {twice[:_SHOWN]!r} {REPEATED}", "", 0)
    return members


def _refuse_constant(text: str) -> float:
    """Refuse NaN and the infinities, which Python's parser would take."""
    raise json.JSONDecodeError(f"{text} {NOT_A_VALUE}; write null or leave it out", "", 0)


# Made once: making one takes as long as a small body.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_refuse_repeats, parse_constant=_refuse_constant, parse_float=WrittenFloat
)
