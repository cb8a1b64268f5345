"""The page's views of alert rules: the list, and for admins a form that sets, pauses and removes them."""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, BaseModel, ConfigDict

from services.api.context import ApiContext, Context
from services.api.web.alert_rule_form import WEEKDAYS, RuleDraft
from services.api.web.error_page import PAGE_TAG
from services.api.web.forms import SentForm
from services.api.web.incident_words import KIND_NAMES, KIND_TEXTS
from services.api.web.render import render, root_of
from services.api.web.require_session import PageAdmin, PageReader
from shared.channels.stored import list_channels
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import InvalidRequest, LimitReached
from shared.incidents.stored_rules import get_rule, list_rules, remove_rule, set_rule
from shared.incidents.terms import RuleKind
from shared.keys import EVERY_STORE, ApiKey
from shared.service_levels.stored import list_levels
from shared.texts import storable

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
RulePath = Annotated[str, AfterValidator(storable), Path()]


class NewRuleQuery(BaseModel):
    """The kind of the new rule; without one, the kinds to choose from are shown."""

    model_config = ConfigDict(extra="forbid")

    kind: RuleKind | Literal[""] = ""


@router.get("/incidents/rules")
async def show_rules(context: Context, key: PageReader, request: Request) -> Response:
    """List the rules whose stores the caller may all see."""
    async with borrowed_async(context.pools.reading) as conn:
        rules = await list_rules(conn, key.visible)
    return render(request, "alert_rules.html", rules=rules, kinds=KIND_NAMES)


@router.get("/incidents/new-rule")
async def show_new_rule(
    context: Context, key: PageAdmin, request: Request, chosen: Annotated[NewRuleQuery, Query()]
) -> Response:
    """Show the kinds of rules, or the form of one."""
    if not chosen.kind:
        return render(request, "alert_rule_kinds.html", names=KIND_NAMES, texts=KIND_TEXTS)
    return await _show(context, key, request, RuleDraft.of_kind(chosen.kind))


@router.get("/incidents/rules/{rule}")
async def show_rule(context: Context, key: PageAdmin, request: Request, rule: RulePath) -> Response:
    """Show the form of a rule."""
    async with borrowed_async(context.pools.reading) as conn:
        stored = await get_rule(conn, rule, key.visible)
    return await _show(context, key, request, RuleDraft.of_rule(stored), stored=stored)


@router.post("/incidents/rules")
async def save_rule(context: Context, key: PageAdmin, request: Request, form: SentForm) -> Response:
    """Add or replace a rule, as `PUT /v1/alert-rules/{rule}` does. A fault is shown beside what was written."""
    draft = RuleDraft.of_form(form)
    try:
        body = draft.as_body()
        terms, delivery = body.to_terms(), body.delivery.to_delivery()
        async with autocommitting_async(context.pools.accepting) as conn:
            if form.text("is_new"):
                await _refuse_known(context, draft.name)
            await set_rule(conn, draft.name, terms, delivery, by=key.prefix, paused=body.paused)
    except (InvalidRequest, LimitReached) as error:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await _show(
            context, key, request, draft, status=status, fault=str(error), is_new=bool(form.text("is_new"))
        )
    return _back_to_rules(request)


@router.post("/incidents/rules/{rule}/pause")
async def pause_rule(
    context: Context, key: PageAdmin, request: Request, rule: RulePath, form: SentForm
) -> Response:
    """Pause a rule, or with the field `resume`, let it be evaluated again. Its other terms stay."""
    async with autocommitting_async(context.pools.accepting) as conn:
        known = [each.name for each in await list_channels(conn)]
        draft = RuleDraft.of_rule(await get_rule(conn, rule, key.visible)).keep_channels(known)
        body = replace(draft, paused=not form.text("resume")).as_body()
        terms, delivery = body.to_terms(), body.delivery.to_delivery()
        await set_rule(conn, rule, terms, delivery, by=key.prefix, paused=body.paused)
    return _back_to_rules(request)


@router.post("/incidents/rules/{rule}/remove")
async def remove(
    context: Context, key: PageAdmin, request: Request, rule: RulePath, form: SentForm
) -> Response:
    """Remove a rule and end its incidents, as `DELETE /v1/alert-rules/{rule}` does."""
    del form
    async with autocommitting_async(context.pools.accepting) as conn:
        await remove_rule(conn, rule, by=key.prefix)
    return _back_to_rules(request)


async def _refuse_known(context: ApiContext, name: str) -> None:
    """A form for a new rule must not replace one. Raises `InvalidRequest`."""
    async with borrowed_async(context.pools.reading) as conn:
        if await list_rules(conn, EVERY_STORE, name):
            raise InvalidRequest(
                f"there is a rule {name!r} already: choose another name, or edit it", field="name"
            )


async def _show(
    context: ApiContext,
    key: ApiKey,
    request: Request,
    draft: RuleDraft,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    **values: Any,
) -> Response:
    async with borrowed_async(context.pools.reading) as conn:
        channels = await list_channels(conn)
        levels = await list_levels(conn, key.visible) if draft.kind is RuleKind.SERVICE_LEVEL_AT_RISK else []
    shown = {"stored": None, "fault": "", "is_new": not draft.name, **values}
    return render(
        request,
        "alert_rule.html",
        status,
        draft=draft,
        channels=channels,
        levels=levels,
        kind_name=KIND_NAMES[draft.kind],
        kind_text=KIND_TEXTS[draft.kind],
        weekdays=WEEKDAYS,
        **shown,
    )


def _back_to_rules(request: Request) -> Response:
    return RedirectResponse(f"{root_of(request)}incidents/rules", HTTPStatus.SEE_OTHER)
