"""Render a template as the answer of a route, with the headers that an HTML answer needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.api.use_cases.page_sessions import PageSession
from services.api.web.assets import asset_path
from services.api.web.cookies import Theme, read_theme
from services.api.web.forms import FORM_FIELD, token_of
from services.api.web.incident_words import cause_text, parameter_name
from services.api.web.next_risk import risk_share, risk_words
from services.api.web.now_line import describe_now
from services.api.web.search import label_term
from services.api.web.words import FILTERS
from shared.keys import ApiKey
from shared.pictures import marks

# No script or style runs that is not a file of this service, and no other site can show the page in a frame.
PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True)
class Frame:
    """What every page shows around its content. URLs are relative, so they hold below any path prefix of a proxy."""

    root: str
    here: str
    theme: Theme
    key: ApiKey | None
    token: str

    @classmethod
    def of_request(cls, request: Request) -> "Frame":
        """Return the frame of the page that the request is for."""
        caller: ApiKey | None = getattr(request.state, "caller", None)
        session: PageSession | None = getattr(request.state, "page_session", None)
        return cls(
            root=root_of(request),
            here=here_of(request),
            theme=read_theme(request),
            key=None if session is None else caller,
            token=token_of(request),
        )

    def url(self, path: str) -> str:
        """Return the URL of a path below the page's root."""
        return self.root + path

    def asset(self, name: str) -> str:
        """Return the URL of one of the page's files."""
        return self.root + asset_path(name)


def root_of(request: Request) -> str:
    """Return the URL of the page's root, relative to the request's URL."""
    return "../" * (_raw_path(request).count("/") - 1) or "./"


def here_of(request: Request) -> str:
    """Return the path and query of the request, below the page's root."""
    query = request.scope["query_string"].decode("latin-1")
    return _raw_path(request).lstrip("/") + (f"?{query}" if query else "")


def _raw_path(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    return raw.partition(b"?")[0].decode("latin-1")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals["token_field"] = FORM_FIELD
    environment.filters["now_line"] = describe_now
    environment.filters["risk_words"] = risk_words
    environment.filters["risk_share"] = risk_share
    environment.filters["cause_text"] = cause_text
    environment.globals["parameter_name"] = parameter_name
    environment.globals["label_term"] = label_term
    environment.globals["shapes"] = marks
    return environment


def render(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the answer with a template's text."""
    text = _environment().get_template(template).render(frame=Frame.of_request(request), **values)
    return HTMLResponse(text, status, dict(PAGE_HEADERS))


def draw(template: str, **values: Any) -> str:
    """Return the text of a picture. It has no frame, because it stands alone."""
    return _environment().get_template(template).render(**values)
