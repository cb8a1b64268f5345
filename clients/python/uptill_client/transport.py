"""HTTP calls to one service: authentication, errors, and retries after 429 and 503."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import httpx2
from pydantic import TypeAdapter, ValidationError

TIMEOUT_S = 60.0
_RETRIED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_DEFAULT_PAUSE_S = 1.0

_LOG = logging.getLogger("uptill_client")

T = TypeVar("T")
Body = Callable[[], Iterator[bytes]]


class ApiError(Exception):
    """A call failed; the message says why.

    `status` is the HTTP status, or None without an answer. `code` is the last part of the problem's `type`, such as
    `report_not_found`.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NotReachable(ApiError):
    """A server did not answer: it is not running, too slow, or has another address."""


class Transport:
    """Calls one service. After 429 and 503, repeats a call as `Retry-After` says, for up to `patience_s` seconds.

    Retries are safe: reports are created under an Idempotency-Key, and polls sent twice count once.
    """

    def __init__(self, http: httpx2.Client, url: str, api_key: str, patience_s: float) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._patience_s = patience_s

    def call(
        self,
        kind: type[T],
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        **arguments: Any,
    ) -> T:
        """Return the answer as a `kind`. `body` returns the bytes for each attempt. Raises `ApiError`."""
        deadline = time.monotonic() + self._patience_s
        while True:
            with self.translated_errors():
                answer = self._http.request(
                    method,
                    f"{self._url}{path}",
                    headers={**self._headers, **(headers or {})},
                    content=None if body is None else body(),
                    **arguments,
                )
            _LOG.debug("%s %s: %d", method, path, answer.status_code)
            if answer.is_success:
                return self._read_answer(kind, answer)
            pause_s = _pause_s(answer)
            if answer.status_code not in _RETRIED or time.monotonic() + pause_s > deadline:
                raise _make_error(answer)
            time.sleep(pause_s)

    def call_or_none(self, kind: type[T], method: str, path: str, **arguments: Any) -> T | None:
        """Return the answer as a `kind`, or None if it is empty. Raises as `call`."""
        optional: Any = kind | None
        answer: T | None = self.call(optional, method, path, **arguments)
        return answer

    def _read_answer(self, kind: type[T], answer: httpx2.Response) -> T:
        try:
            return TypeAdapter(kind).validate_json(answer.content or b"null")
        except ValidationError as error:
            raise ApiError(
                f"{self._url} does not answer as this service of Uptill does: check the address",
                status=answer.status_code,
            ) from error

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str] | None = None, **arguments: Any
    ) -> Iterator[Iterator[bytes]]:
        """Yield the answer in blocks of bytes. Raises `ApiError`."""
        given = {**self._headers, **(headers or {})}
        with (
            self.translated_errors(),
            self._http.stream("GET", f"{self._url}{path}", headers=given, **arguments) as answer,
        ):
            if not answer.is_success:
                answer.read()
                raise _make_error(answer)
            yield answer.iter_bytes()

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turn httpx2's errors into `NotReachable`."""
        try:
            yield
        except httpx2.HTTPError as error:
            raise NotReachable(
                f"no answer from {self._url} ({type(error).__name__}: {error}): check the address, and that the service"
                " (`uptill up`) runs"
            ) from error
        except httpx2.InvalidURL as error:
            raise NotReachable(f"{self._url} is not a valid address ({error}): correct it") from error


def _pause_s(answer: httpx2.Response) -> float:
    asked = answer.headers.get("retry-after", "")
    return float(asked) if asked.isdigit() else _DEFAULT_PAUSE_S


def _make_error(answer: httpx2.Response) -> ApiError:
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    detail = (
        problem.get("detail")
        or f"{answer.url.scheme}://{answer.url.netloc.decode()} answered {answer.status_code}"
    )
    code = str(problem.get("type", "")).rpartition(":")[2] or None
    return ApiError(detail, status=answer.status_code, code=code)
