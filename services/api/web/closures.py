"""The page's views of closures of a store: declare one after seeing its effect, withdraw and restore one."""

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from services.api.context import ApiContext, Context, OneStoreTurn
from services.api.web.choose_week import StoreChoice
from services.api.web.closure_effect import ClosureEffect
from services.api.web.closure_form import REASONS, TREATMENTS, ClosureDraft
from services.api.web.error_page import PAGE_TAG
from services.api.web.forms import PageForm, SentForm, parse_fields
from services.api.web.read_week import StoreWeek, read_week
from services.api.web.render import render, root_of
from services.api.web.require_session import PageCloser, token_of_session
from services.api.web.stores import WeekQuery
from services.api.web.withdrawn_closures import read_withdrawn
from services.api.web.words import in_path
from shared.errors import ClosureExists, ForbiddenError, InvalidRequest
from shared.keys import ApiKey

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
ClosureId = Annotated[UUID, Path()]
_LATEST_US = 1 << 52


class ClosurePlace(WeekQuery):
    """A store, its week, and the stretch that was clicked."""

    store_id: str = Field(max_length=2000)
    begin: int | None = Field(default=None, ge=0, le=_LATEST_US)
    end: int | None = Field(default=None, ge=0, le=_LATEST_US)


@router.get("/closures/new")
async def show_form(
    context: Context,
    key: PageCloser,
    turn: OneStoreTurn,
    request: Request,
    chosen: Annotated[ClosurePlace, Query()],
) -> Response:
    """Show the form, filled in with the stretch, the closures of the week, and those that were withdrawn."""
    week = await _read_week(context, key, chosen)
    draft = ClosureDraft.of_stretch(chosen.begin, chosen.end, week.zone)
    withdrawn = await read_withdrawn(context, token_of_session(request), week.given.store.store_id)
    return await turn.run(
        week.given.weight, lambda: _show(request, chosen, week, draft=draft, withdrawn=withdrawn)
    )


@router.post("/closures")
async def declare(
    context: Context, key: PageCloser, turn: OneStoreTurn, request: Request, form: SentForm
) -> Response:
    """Show the effect of a closure, or declare it, as `POST /v1/closures` does."""
    chosen = _parse_place(form)
    week = await _read_week(context, key, chosen)
    draft, is_try = ClosureDraft.of_form(form), form.text("action") != "save"
    try:
        body = draft.as_body(week.given.store.store_id, week.zone)
        asked = {"params": {"dry_run": "true"} if is_try else {}, "json": body}
        answer = await context.ingest.ask(token_of_session(request), "POST", "/v1/closures", **asked)
        closure = draft.as_closure(week.zone)
    except (InvalidRequest, ClosureExists, ForbiddenError) as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _show(request, chosen, week, draft=draft, fault=str(error), status=status)
    if not is_try:
        return _back_to_store(request, chosen)
    effect = await turn.run(week.given.weight, lambda: ClosureEffect.of_adding(week.given, closure))
    warnings = [*draft.skipped(week.zone), *answer.get("warnings", [])]
    return _show(request, chosen, week, draft=draft, closure=closure, effect=effect, warnings=warnings)


@router.get("/closures/{closure_id}")
async def show_closure(
    context: Context,
    key: PageCloser,
    turn: OneStoreTurn,
    request: Request,
    closure_id: ClosureId,
    chosen: Annotated[ClosurePlace, Query()],
) -> Response:
    """Show a closure of the week, and what withdrawing it would do."""
    week = await _read_week(context, key, chosen)
    found = next((each for each in week.given.terms.closures if each.id == str(closure_id)), None)
    if found is None:  # it is of another week, or was withdrawn meanwhile
        return _back_to_store(request, chosen)
    effect = await turn.run(week.given.weight, lambda: ClosureEffect.of_withdrawing(week.given, found.id))
    return render(request, "closure.html", chosen=chosen, week=week, closure=found, effect=effect)


@router.post("/closures/{closure_id}/withdraw")
async def withdraw(
    context: Context, key: PageCloser, request: Request, closure_id: ClosureId, form: SentForm
) -> Response:
    """Withdraw a closure, as `DELETE /v1/closures/{closure_id}` does."""
    del key
    await context.ingest.ask(token_of_session(request), "DELETE", f"/v1/closures/{closure_id}")
    return _back_to_store(request, _parse_place(form))


@router.post("/closures/{closure_id}/restore")
async def restore(
    context: Context, key: PageCloser, request: Request, closure_id: ClosureId, form: SentForm
) -> Response:
    """Declare a withdrawn closure again, as `POST /v1/closures/{closure_id}/restore` does."""
    del key
    await context.ingest.ask(token_of_session(request), "POST", f"/v1/closures/{closure_id}/restore")
    return _back_to_store(request, _parse_place(form))


def _parse_place(form: PageForm) -> ClosurePlace:
    given = {name: form.text(name) for name in ("store_id", "week", "policy")}
    return parse_fields(ClosurePlace, {name: text for name, text in given.items() if text})


async def _read_week(context: ApiContext, key: ApiKey, chosen: ClosurePlace) -> StoreWeek:
    return await read_week(context, key, chosen.store_id, StoreChoice(chosen.policy, chosen.week))


def _show(
    request: Request,
    chosen: ClosurePlace,
    week: StoreWeek,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    **values: Any,
) -> Response:
    shown = {"effect": None, "closure": None, "fault": "", "warnings": [], "withdrawn": [], **values}
    return render(
        request,
        "closure_form.html",
        status,
        chosen=chosen,
        week=week,
        treatments=TREATMENTS,
        reasons=REASONS,
        **shown,
    )


def _back_to_store(request: Request, chosen: ClosurePlace) -> Response:
    query = {"policy": chosen.policy} | ({} if chosen.week is None else {"week": str(chosen.week)})
    target = f"{root_of(request)}stores/{in_path(chosen.store_id)}?{urlencode(query)}"
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)
