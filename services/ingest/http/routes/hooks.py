"""Hooks as resources: list, show, set, try and remove them, and replace their secrets."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response, status
from pydantic import AfterValidator, TypeAdapter

from services.ingest.hooks.map_items import HookRules
from services.ingest.hooks.mapping import HookMapping
from services.ingest.http.bodies import describe_body, read_document, read_json
from services.ingest.http.context import Context
from services.ingest.http.dry_run import DryRun
from services.ingest.http.hook_admin import (
    delete_hook,
    get_hook,
    list_hooks,
    list_versions,
    put_hook,
    rotate_secret,
)
from services.ingest.http.hook_documents import find_preset, make_document, make_mapping
from services.ingest.http.hook_trials import MAX_TRIAL_BYTES, read_trial, try_mapping
from services.ingest.http.schemas_hooks import (
    HookBody,
    HookList,
    HookPresetList,
    HookPut,
    HookSecretPost,
    HookTrialBody,
    HookTrialPost,
    HookVersionBody,
    HookVersionList,
)
from shared.db.connect import borrowed_async
from shared.errors import HookNotFound, LimitReached
from shared.http.auth import RequireScope
from shared.http.contract import answers
from shared.http.unique_names import UniqueNamesRoute
from shared.keys import ApiKey
from shared.texts import storable

router = APIRouter(route_class=UniqueNamesRoute, tags=["hooks"])
HookAdministrator = Annotated[ApiKey, Depends(RequireScope("admin"))]
HookName = Annotated[str, AfterValidator(storable), Path(description="The hook's name.")]
_MAX_BODY_BYTES = 256 << 10
_PUT, _SECRET = TypeAdapter(HookPut), TypeAdapter(HookSecretPost)


@router.get("/v1/hooks")
async def get_hooks(context: Context, key: HookAdministrator) -> HookList:
    """List hooks, by name. Secrets are never shown."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return HookList(hooks=[HookBody.of_row(row) for row in await list_hooks(conn)])


@router.get("/v1/hook-presets")
async def get_hook_presets(context: Context, key: HookAdministrator) -> HookPresetList:
    """List presets: mappings and signatures for payloads whose shape is public."""
    del context, key
    return HookPresetList.of_release()


@router.get("/v1/hooks/{hook}", responses=answers(HookNotFound))
async def get_one_hook(context: Context, key: HookAdministrator, hook: HookName) -> HookBody:
    """Show a hook."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return HookBody.of_row(await get_hook(conn, hook))


@router.get("/v1/hooks/{hook}/versions", responses=answers(HookNotFound))
async def get_hook_versions(context: Context, key: HookAdministrator, hook: HookName) -> HookVersionList:
    """List the newest 100 versions of a hook, newest first."""
    del key
    async with borrowed_async(context.pools.reading) as conn:
        return HookVersionList(
            versions=[HookVersionBody.of_row(row) for row in await list_versions(conn, hook)]
        )


@router.put("/v1/hooks/{hook}", openapi_extra=describe_body(HookPut), responses=answers(LimitReached))
async def put_one_hook(
    context: Context, key: HookAdministrator, request: Request, hook: HookName, *, dry_run: DryRun = False
) -> HookBody:
    """Add a hook, or give it another document, which becomes its next version. Calls follow it within 5 seconds.

    A new hook without a given secret gets one, which only this answer shows.
    """
    body = await read_json(request, _PUT, limit_bytes=_MAX_BODY_BYTES)
    document = make_document(body)
    async with borrowed_async(context.pools.accepting) as conn:
        row, stored = await put_hook(conn, hook, document, body.secret, key.prefix, dry_run=dry_run)
    if not dry_run:
        context.hooks.forget()
    return HookBody.of_row(row, stored.made, stored.change)


@router.post(
    "/v1/hooks/{hook}/secret", openapi_extra=describe_body(HookSecretPost), responses=answers(HookNotFound)
)
async def post_hook_secret(
    context: Context, key: HookAdministrator, request: Request, hook: HookName
) -> HookBody:
    """Replace a hook's secret. The old one stays valid for a day, or for `overlap_s`. Only this answer shows a made one."""
    body = await read_json(request, _SECRET, limit_bytes=_MAX_BODY_BYTES)
    async with borrowed_async(context.pools.accepting) as conn:
        overlap = timedelta(seconds=body.overlap_s)
        row, made = await rotate_secret(conn, hook, body.secret, overlap, key.prefix)
    context.hooks.forget()
    return HookBody.of_row(row, made)


@router.post(
    "/v1/hooks/{hook}/dry-run", openapi_extra=describe_body(HookTrialPost), responses=answers(HookNotFound)
)
async def post_hook_dry_run(
    context: Context, key: HookAdministrator, request: Request, hook: HookName
) -> HookTrialBody:
    """Try the hook's mapping, or another one, on a sample. Nothing is stored."""
    del key
    trial = read_trial(await read_document(request, limit_bytes=MAX_TRIAL_BYTES))
    rules = HookRules(context.status_words, context.settings.allow_odd_ids)
    async with borrowed_async(context.pools.reading) as conn:
        if trial.mapping is None and trial.preset is None:
            document = (await get_hook(conn, hook)).document["mapping"]
        else:
            document = make_mapping(find_preset(trial.preset), trial.mapping).model_dump()
        return await try_mapping(conn, HookMapping.of_document(document), trial, rules)


@router.delete("/v1/hooks/{hook}", status_code=status.HTTP_204_NO_CONTENT, responses=answers(HookNotFound))
async def delete_one_hook(context: Context, key: HookAdministrator, hook: HookName) -> Response:
    """Remove a hook with its versions and its secret. The polls that it received stay."""
    async with borrowed_async(context.pools.accepting) as conn:
        await delete_hook(conn, hook, key.prefix)
    context.hooks.forget()
    return Response(status_code=status.HTTP_204_NO_CONTENT)
