"""The page's view of hooks, for admins: what each has received. Hooks are changed by calls and commands."""

from collections.abc import Sequence
from datetime import datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from services.api.context import Context
from services.api.web.error_page import PAGE_TAG
from services.api.web.render import render
from services.api.web.require_session import PageAdmin, token_of_session

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])


class ShownSignature(BaseModel):
    """How callers prove who they are."""

    scheme: str


class ShownHook(BaseModel):
    """A hook as the ingest service describes it, as far as the page shows it."""

    name: str
    path: str
    version: int
    description: str
    signature: ShownSignature
    changed_at: datetime
    calls: int
    last_call_at: datetime | None
    rejected: int
    rejects_import: str | None
    ignored_calls: int = 0


class ShownHooks(BaseModel):
    """All hooks, by name."""

    hooks: Sequence[ShownHook]


# services/api/main.py has it before `/imports/{import_id}`, which takes any word.
@router.get("/imports/hooks")
async def show_hooks(context: Context, key: PageAdmin, request: Request) -> Response:
    """List the hooks with what they received."""
    del key
    answer = await context.ingest.ask(token_of_session(request), "GET", "/v1/hooks")
    return render(request, "hooks.html", hooks=ShownHooks.model_validate(answer).hooks)
