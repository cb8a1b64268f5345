"""Errors as pages: for routes of the page, and for browsers that ask for a path that does not exist."""

from http import HTTPStatus
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from services.api.web.cookies import SESSION, delete_cookie, read_cookie
from services.api.web.render import PAGE_HEADERS, here_of, render, root_of
from shared.http.problems import Problem
from shared.redact import redacted

PAGE_TAG = "page"


def show_error(request: Request, problem: Problem, detail: str) -> Response | None:
    """Return the page of an error, or a redirect to sign in; None if a program asks."""
    if not _is_for_people(request):
        return None
    if problem.status == HTTPStatus.UNAUTHORIZED and request.scope["path"] != "/sign-in":
        return _send_to_sign_in(request)
    request_id = getattr(request.state, "request_id", "")
    return render(
        request,
        "error.html",
        problem.status,
        problem=problem,
        detail=redacted(detail),
        request_id=request_id,
    )


def _is_for_people(request: Request) -> bool:
    route = request.scope.get("route")
    path: str = request.scope["path"]
    if route is not None and path != "/":  # programs that look at the root get a problem
        return PAGE_TAG in (getattr(route, "tags", None) or ())
    return "text/html" in request.headers.get("accept", "") and not path.startswith("/v1/")


def _send_to_sign_in(request: Request) -> Response:
    is_read = request.method in ("GET", "HEAD")
    query = f"?next={quote(here_of(request), safe='')}" if is_read and here_of(request) else ""
    target = f"{root_of(request)}sign-in{query}"
    if "hx-request" in request.headers:  # a part of a page cannot become the form
        answer = Response(headers={**PAGE_HEADERS, "HX-Redirect": target})
    else:
        answer = RedirectResponse(target, HTTPStatus.SEE_OTHER, dict(PAGE_HEADERS))
    if read_cookie(request, SESSION):
        delete_cookie(request, answer, SESSION)
    return answer
