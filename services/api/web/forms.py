"""Forms of the page: read what a browser sent, and refuse what another site made it send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError

from services.api.use_cases.page_sessions import PageSession, form_token
from services.api.web.cookies import VISIT, read_cookie
from shared.errors import ForbiddenError, InvalidRequest, UnsupportedMediaType
from shared.http.faults import fault
from shared.keys import constant_time_equal

FORM_FIELD = "form_token"
_Model = TypeVar("_Model", bound=BaseModel)
_MEDIA_TYPE = "application/x-www-form-urlencoded"
_MOST_FIELDS = 200
_OWN_SITE = ("", "same-origin", "none")


@dataclass(frozen=True)
class PageForm:
    """The fields of a form, in order. A name may occur several times."""

    fields: Sequence[tuple[str, str]]

    def text(self, name: str) -> str:
        """Return the first value of a field without spaces at its ends, or an empty text."""
        return next((value.strip() for field, value in self.fields if field == name), "")

    def texts(self, name: str) -> list[str]:
        """Return all values of a field."""
        return [value for field, value in self.fields if field == name]

    def number(self, name: str) -> int | float | str:
        """Return the first value of a field as a number. What is none stays a text, so that the model refuses it."""
        return number_or_text(self.text(name))


def number_or_text(text: str) -> int | float | str:
    """Return the number that a text is, a whole one as int; otherwise the text."""
    try:
        number = float(text)
    except ValueError:
        return text
    if not isfinite(number):  # nan, and 1e400
        return text
    return int(number) if number.is_integer() else number


def parse_fields(model: type[_Model], given: Mapping[str, Any]) -> _Model:
    """Return checked values of a form. Raises `InvalidRequest` that names the first wrong field."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = fault({**error.errors(include_url=False)[0]})
        raise InvalidRequest(f"{found['field']}: {found['message']}", field=found["field"]) from None


async def read_form(request: Request) -> PageForm:
    """Read the form of the signed-in or new browser. Raises `ForbiddenError` for a form that this page did not make."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != _MEDIA_TYPE:
        raise UnsupportedMediaType(f"the body is not a form: send it as {_MEDIA_TYPE}")
    try:
        body = (await request.body()).decode("ascii")
        fields = parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise InvalidRequest("the form cannot be read: load the page again", field="body") from None
    form = PageForm(fields)
    if not is_from_this_page(request, form.text(FORM_FIELD)):
        raise ForbiddenError(
            "this form did not come from this page, or it is too old: load the page again and repeat"
        )
    return form


def token_of(request: Request) -> str:
    """Return the token for forms to this browser; empty if it has no cookie of this page."""
    session: PageSession | None = getattr(request.state, "page_session", None)
    secret = read_cookie(request, VISIT) if session is None else session.token
    return form_token(secret) if secret else ""


def is_from_this_page(request: Request, sent_token: str) -> bool:
    """Whether a form has the token of this browser, and no other site made the browser send it."""
    token = token_of(request)
    is_own_site = request.headers.get("sec-fetch-site", "") in _OWN_SITE
    return is_own_site and bool(token) and constant_time_equal(sent_token, token)


SentForm = Annotated[PageForm, Depends(read_form)]
