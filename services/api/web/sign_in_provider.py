"""Sign in by the provider: send the browser there, and open a session for who comes back."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from services.api.context import ApiContext, Context
from services.api.oidc.errors import NoRights, ProviderAway, SignInRefused
from services.api.oidc.flow import LONGEST_S, Flow
from services.api.oidc.groups import rights_of
from services.api.oidc.person import Person
from services.api.use_cases.page_sessions import PageSession, end_session, open_session
from services.api.use_cases.people import key_of_person
from services.api.web.cookies import PROVIDER, SESSION, VISIT, delete_cookie, read_cookie, set_cookie
from services.api.web.error_page import PAGE_TAG
from services.api.web.render import PAGE_HEADERS
from services.api.web.require_session import session_limits
from services.api.web.sign_in import go_to, show_form
from shared.db.connect import borrowed_async
from shared.http.auth import public
from shared.http.key_ring import KeyRing
from shared.keys import constant_time_equal

if TYPE_CHECKING:
    from services.api.oidc.provider import Provider

router = APIRouter(include_in_schema=False, tags=[PAGE_TAG], dependencies=[Depends(public)])
_LONGEST_NEXT, _LONGEST_CODE = 2000, 4096


class ProviderAnswer(BaseModel):
    """What the provider adds to the address to which it sends the browser back."""

    code: str = Field(default="", max_length=_LONGEST_CODE)
    state: str = Field(default="", max_length=_LONGEST_CODE)
    iss: str = Field(default="", max_length=_LONGEST_CODE)
    error: str = Field(default="", max_length=_LONGEST_CODE)


@router.get("/sign-in/provider")
async def start_sign_in(
    context: Context, request: Request, next_path: Annotated[str, Query(alias="next")] = ""
) -> Response:
    """Send the browser to the provider."""
    provider, target = _require_provider(context), next_path[:_LONGEST_NEXT]
    flow = Flow.start(target)
    try:
        url = await provider.authorization_url(flow)
    except ProviderAway as error:
        return _show_fault(request, provider, target, error)
    answer = RedirectResponse(url, HTTPStatus.SEE_OTHER, dict(PAGE_HEADERS))
    set_cookie(request, answer, PROVIDER, flow.as_cookie(), LONGEST_S)
    return answer


@router.get("/sign-in/provider/callback")
async def finish_sign_in(
    context: Context, request: Request, given: Annotated[ProviderAnswer, Query()]
) -> Response:
    """Open a session for the person whom the provider sent back."""
    provider = _require_provider(context)
    flow = Flow.from_cookie(read_cookie(request, PROVIDER))
    target = flow.target if flow else ""
    try:
        checked = _check_answer(provider, flow, given)
        person = await provider.identify(given.code, checked)
        session = await _open_session(context, request, provider, person)
    except (SignInRefused, NoRights, ProviderAway) as fault:
        answer = _show_fault(request, provider, target, fault)
    else:
        answer = go_to(request, target)
        set_cookie(request, answer, SESSION, session.token)
        delete_cookie(request, answer, VISIT)
    delete_cookie(request, answer, PROVIDER)
    return answer


def _require_provider(context: ApiContext) -> "Provider":
    if context.provider is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return context.provider


def _check_answer(provider: "Provider", flow: Flow | None, given: ProviderAnswer) -> Flow:
    """Return the sign-in that this browser started, if the answer belongs to it. Raises `SignInRefused`."""
    if flow is None or not constant_time_equal(given.state, flow.state):
        raise SignInRefused("this sign-in was not started in this browser, or took too long: sign in again")
    if given.iss and given.iss != provider.terms.issuer:
        raise SignInRefused("another sign-in service answered: sign in again")
    if given.error or not given.code:
        raise SignInRefused("the sign-in service did not sign you in: try again, or ask its operator")
    return flow


async def _open_session(
    context: ApiContext, request: Request, provider: "Provider", person: Person
) -> PageSession:
    terms, limits = provider.terms, session_limits(context)
    rights = rights_of(terms.groups, person.groups)
    if rights is None:
        raise NoRights(
            "you are signed in, but none of your groups may use Uptill: ask an operator for access"
        )
    async with borrowed_async(context.pools.accepting) as conn, conn.transaction():
        if before := read_cookie(request, SESSION):
            await end_session(conn, before)
        prefix, ended = await key_of_person(conn, terms.issuer, person, rights, limits.longest)
        session = await open_session(conn, prefix)
    keys: KeyRing = request.app.state.keys
    for each in filter(None, (prefix, ended)):
        keys.forget(each)
    return session


def _show_fault(
    request: Request, provider: "Provider", target: str, error: SignInRefused | NoRights | ProviderAway
) -> Response:
    """Show the form again. A key still signs in."""
    if isinstance(error, ProviderAway):
        text = f"{provider.host} cannot sign you in now: {error}. Try again, or use an API key"
        return show_form(request, target, fault=text, status=HTTPStatus.SERVICE_UNAVAILABLE)
    status = HTTPStatus.FORBIDDEN if isinstance(error, NoRights) else HTTPStatus.UNAUTHORIZED
    return show_form(request, target, fault=str(error), status=status)
