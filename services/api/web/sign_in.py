"""Sign in with an API key, sign out, and choose the colours. The key is checked once and kept nowhere."""

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.api.context import ApiContext, Context
from services.api.use_cases.page_sessions import (
    end_all_sessions,
    end_session,
    form_token,
    new_token,
    open_session,
)
from services.api.web.cookies import SESSION, VISIT, delete_cookie, keep_theme, read_cookie, set_cookie
from services.api.web.error_page import PAGE_TAG
from services.api.web.forms import SentForm
from services.api.web.render import render, root_of
from services.api.web.require_session import PageReader
from shared.db.connect import borrowed_async
from shared.errors import AuthenticationError
from shared.http.auth import public
from shared.http.key_ring import KeyRing
from shared.http.rates import Rates, Work
from shared.keys import ApiKey

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG])
_PUBLIC = [Depends(public)]
_HOME = ""
_VIEWS = ("stores", "fleet", "insights", "incidents", "outages", "reports", "imports", "closures", "policies")
_LONGEST_NEXT = 2000


@router.get("/sign-in", dependencies=_PUBLIC)
async def show_sign_in(request: Request, next_path: Annotated[str, Query(alias="next")] = "") -> Response:
    """Show the form."""
    return show_form(request, next_path)


@router.post("/sign-in", dependencies=_PUBLIC)
async def sign_in(context: Context, request: Request, form: SentForm) -> Response:
    """Open a session for the key of the form."""
    target = form.text("next")
    try:
        key = await _find_key(request, form.text("key"))
    except AuthenticationError as error:
        return show_form(request, target, fault=str(error), status=HTTPStatus.UNAUTHORIZED)
    if not key.allows("reports:read"):
        fault = "this key lacks the scope reports:read, which the page needs: use a key that has it"
        return show_form(request, target, fault=fault, status=HTTPStatus.FORBIDDEN)
    async with borrowed_async(context.pools.accepting) as conn:
        if before := read_cookie(request, SESSION):
            await end_session(conn, before)
        session = await open_session(conn, key.prefix)
    answer = go_to(request, target)
    set_cookie(request, answer, SESSION, session.token)
    delete_cookie(request, answer, VISIT)
    return answer


@router.post("/sign-out")
async def sign_out(context: Context, request: Request, key: PageReader, form: SentForm) -> Response:
    """End the session of this browser, or every session of its key."""
    async with borrowed_async(context.pools.accepting) as conn:
        if form.text("everywhere"):
            await end_all_sessions(conn, key.prefix)
        else:
            await end_session(conn, read_cookie(request, SESSION))
    answer = RedirectResponse(f"{root_of(request)}sign-in", HTTPStatus.SEE_OTHER)
    delete_cookie(request, answer, SESSION)
    return answer


@router.post("/theme")
async def choose_theme(request: Request, key: PageReader, form: SentForm) -> Response:
    """Remember light or dark colours, or those of the system."""
    del key
    answer = go_to(request, form.text("next"))
    chosen = form.text("theme")
    keep_theme(request, answer, "light" if chosen == "light" else "dark" if chosen == "dark" else "system")
    return answer


async def _find_key(request: Request, presented: str) -> ApiKey:
    if not presented:
        raise AuthenticationError("no API key was given: paste one, it begins with upt_")
    keys: KeyRing = request.app.state.keys
    key = await keys.live_key(presented)
    rates: Rates = request.app.state.rates
    await rates.admit(key.prefix, Work.READ)
    return key


def show_form(
    request: Request, target: str, *, fault: str = "", status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """Return the page where people sign in."""
    context: ApiContext = request.app.state.context
    provider = context.provider and context.provider.host
    visit = read_cookie(request, VISIT) or new_token()
    answer = render(
        request,
        "sign_in.html",
        status,
        target=target,
        fault=fault,
        form_token=form_token(visit),
        provider=provider,
    )
    set_cookie(request, answer, VISIT, visit)
    return answer


def go_to(request: Request, target: str) -> RedirectResponse:
    """Send the browser to a path of the page; to the first view if the text is not one."""
    path = target if _is_own_path(target) else _HOME
    return RedirectResponse(root_of(request) + path, HTTPStatus.SEE_OTHER)


def _is_own_path(target: str) -> bool:
    """Whether a text is a path of the page without its first slash, so that no link can lead to another site."""
    parts = urlsplit(target) if target.isascii() and target.isprintable() else None
    if parts is None or parts.scheme or parts.netloc or len(target) > _LONGEST_NEXT:
        return False
    if not parts.path:
        return True
    return parts.path.partition("/")[0] in _VIEWS and not {"..", "."} & set(parts.path.split("/"))
