"""The page's cookies: the session, the token of forms before sign-in, a sign-in under way, and the colours. Behind TLS their names say so."""

from typing import Literal

from fastapi import Request, Response

Theme = Literal["system", "light", "dark"]
_YEAR_S = 365 * 86_400
SESSION, VISIT, THEME = "uptill_session", "uptill_visit", "uptill_theme"
PROVIDER = "uptill_provider"


def read_cookie(request: Request, name: str) -> str:
    """Return the value of a cookie, or an empty text."""
    return request.cookies.get(_full_name(request, name), "")


def set_cookie(
    request: Request, response: Response, name: str, value: str, max_age_s: int | None = None
) -> None:
    """Set a cookie that scripts cannot read. Without `max_age_s` it ends with the browser."""
    response.set_cookie(
        _full_name(request, name),
        value,
        max_age=max_age_s,
        path="/",
        secure=_is_tls(request),
        httponly=True,
        samesite="lax",
    )


def delete_cookie(request: Request, response: Response, name: str) -> None:
    """Delete a cookie."""
    set_cookie(request, response, name, "", 0)


def read_theme(request: Request) -> Theme:
    """Return the colours that the browser's user chose."""
    chosen = read_cookie(request, THEME)
    return "light" if chosen == "light" else "dark" if chosen == "dark" else "system"


def keep_theme(request: Request, response: Response, theme: Theme) -> None:
    """Remember the colours for a year."""
    set_cookie(request, response, THEME, theme, _YEAR_S)


def _full_name(request: Request, name: str) -> str:
    # A browser takes a cookie of this name only by TLS, and only from this host itself.
    return f"__Host-{name}" if _is_tls(request) else name


def _is_tls(request: Request) -> bool:
    # A caller who lies about it changes the names of their own cookies, and nothing else.
    forwarded = request.headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
    return "https" in (request.url.scheme, forwarded)
