"""`/docs`: Swagger UI for the service's own OpenAPI document, vendored in `swagger/`. Browsers reach it from `/` too."""

import gzip
import re
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response

from shared.http.auth import public

# Styles are set on elements by the script itself; no script runs that is not a file of this service.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
}
_FOLDER = Path(__file__).with_name("swagger")
TAKES_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null});'
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""


def add_docs(app: FastAPI) -> None:
    """Add `/`, `/docs` and `/openapi.json` to an application."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])
    written = cache(lambda: JSONResponse(app.openapi()).body)
    page = _PAGE.format(title=f"{app.title} {app.version}")

    @router.get("/")
    async def redirect_browser(request: Request) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        # A relative URL, so that it works below a path prefix.
        return RedirectResponse("docs", headers={"Vary": "Accept"})

    @router.get("/docs")
    async def show_docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    @router.get("/openapi.json")
    async def send_openapi() -> Response:
        return Response(written(), media_type="application/json")  # built once: repeated requests cost little

    @router.get("/docs/start.js")
    async def send_start_script() -> Response:
        return Response(_START, media_type="text/javascript")

    @router.get("/docs/{name}")
    async def send_asset(name: str, request: Request) -> Response:
        if name not in _ASSETS:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return _send_file(name, request.headers.get("accept-encoding", ""))

    app.include_router(router)


def _send_file(name: str, accepted: str) -> Response:
    """Send a file as it is stored, with gzip; unpack it for the rare caller that does not accept gzip."""
    headers = {"Cache-Control": "public, max-age=86400", "Vary": "Accept-Encoding"}
    file, media_type = _FOLDER / f"{name}.gz", _ASSETS[name]
    if TAKES_GZIP.search(accepted):
        return FileResponse(file, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return Response(_unpack_file(file), media_type=media_type, headers=headers)


@cache
def _unpack_file(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())
