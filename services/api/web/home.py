"""The root: people get the page, and programs a problem."""

from http import HTTPStatus

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from shared.http.auth import public

router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])


@router.get("/")
async def open_page(request: Request) -> Response:
    """Send a browser to the first view. A relative URL, so that it holds below a path prefix."""
    if "text/html" not in request.headers.get("accept", ""):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return RedirectResponse("stores", HTTPStatus.SEE_OTHER, {"Vary": "Accept"})
