"""`/docs`: Swagger UI over the service's own description, from files that this service serves. No script of others."""

from functools import cache
from http import HTTPStatus
from pathlib import Path

import fastapi_offline
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

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
_FOLDER = Path(fastapi_offline.__file__).with_name("static")
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
    """Add the page, its files and `/openapi.json` to an application that has none of its own."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(public)])
    written = cache(lambda: JSONResponse(app.openapi()).body)
    page = _PAGE.format(title=f"{app.title} {app.version}")

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})

    @router.get("/openapi.json")
    async def description() -> Response:
        return Response(written(), media_type="application/json")  # made once: whoever asks costs little

    @router.get("/docs/start.js")
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")

    @router.get("/docs/{name}")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        headers = {"Cache-Control": "public, max-age=86400"}
        return FileResponse(_FOLDER / name, media_type=_ASSETS[name], headers=headers)

    app.include_router(router)
