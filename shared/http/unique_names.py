"""JSON whose objects name each member once: of two members with one name a parser would silently drop the first."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

REPEATED = "is given twice in one object"
_SHOWN = 50


def load_unique(body: bytes) -> Any:
    """Parse JSON. Raises json.JSONDecodeError that names a member given twice, or says what is not JSON."""
    return json.loads(body, object_pairs_hook=_refuse_repeats)


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
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise json.JSONDecodeError(f"the name {twice[:_SHOWN]!r} {REPEATED}", "", 0)
    return members
