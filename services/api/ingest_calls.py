"""Calls to the ingest service for a browser that is signed in. Its answers, errors, scopes and limits are those of the key."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx2

from shared.errors import IngestUnavailable, InvalidRequest, RateLimited, TooManyOpen, UptillError
from shared.http.problems import PROBLEMS
from shared.http.session_callers import SESSION_SCHEME

_CONNECT_WITHIN_S = 5.0
_ANSWER_WITHIN_S: Final = 40.0  # longer than the ingest service lets a change wait
DRY_RUN_WITHIN_S: Final = 660.0
_MOST_CONNECTIONS = 64
_ERRORS: Final[Mapping[str, type[Exception]]] = {problem.code: error for error, problem in PROBLEMS.items()}


@dataclass(frozen=True)
class Upload:
    """A body to pass on as it arrives. `length` is None if the sender did not say."""

    media_type: str
    length: int | None
    blocks: AsyncIterator[bytes]

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that describe the body."""
        length = {} if self.length is None else {"Content-Length": str(self.length)}
        return {"Content-Type": self.media_type, **length}


class IngestRelay:
    """A client of the ingest service. Each call presents the session's token, never an API key."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.AsyncClient(
            base_url=url,
            trust_env=False,
            timeout=httpx2.Timeout(_ANSWER_WITHIN_S, connect=_CONNECT_WITHIN_S),
            limits=httpx2.Limits(max_connections=_MOST_CONNECTIONS),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, session: str, method: str, path: str, **sent: Any) -> Any:
        """Return the JSON of an answer, None if it has no body. Raises the error of a refusal, and `IngestUnavailable`."""
        try:
            answer = await self._client.request(method, path, headers=_authorize(session), **sent)
        except httpx2.TransportError as error:
            raise _away(error) from error
        return _read(answer)

    async def upload(self, session: str, upload: Upload, *, dry_run: bool) -> Any:
        """Pass a form with files on to `POST /v1/imports`, block by block. Return its answer."""
        try:
            answer = await self._client.post(
                "/v1/imports",
                params={"dry_run": "true"} if dry_run else {},
                headers={**_authorize(session), **upload.headers},
                content=upload.blocks,
                timeout=httpx2.Timeout(DRY_RUN_WITHIN_S, connect=_CONNECT_WITHIN_S),
            )
        except httpx2.TransportError as error:
            raise _away(error) from error
        return _read(answer)

    @asynccontextmanager
    async def stream(self, session: str, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the blocks of an answer as they come."""
        try:
            async with self._client.stream("GET", path, headers=_authorize(session)) as answer:
                if answer.is_error:
                    await answer.aread()
                    _read(answer)
                yield answer.aiter_bytes()
        except httpx2.TransportError as error:
            raise _away(error) from error


def _authorize(session: str) -> Mapping[str, str]:
    return {"Authorization": f"{SESSION_SCHEME} {session}"}


def _away(error: Exception) -> IngestUnavailable:
    del error  # its text has the address
    return IngestUnavailable(
        "the ingest service did not answer: try again; if it stays away, ask an operator"
    )


def _read(answer: httpx2.Response) -> Any:
    if answer.status_code == HTTPStatus.NO_CONTENT:
        return None
    try:
        body = answer.json()
    except ValueError:
        raise IngestUnavailable(
            "the ingest service gave an answer that is not its own: UPTILL_INGEST_URL may name another service"
        ) from None
    if answer.is_success:
        return body
    raise _make_error(body if isinstance(body, dict) else {}, answer.headers.get("retry-after", ""))


def _make_error(body: Mapping[str, Any], retry_after: str) -> UptillError:
    code, detail = str(body.get("type", "")).rpartition(":")[2], str(body.get("detail", ""))
    kind = _ERRORS.get(code)
    if kind is RateLimited:
        return RateLimited(detail, retry_after_s=float(retry_after) if retry_after.isdecimal() else 1.0)
    if kind is not None and issubclass(kind, InvalidRequest):
        return kind(detail, field=body.get("field"))
    if kind is not None and issubclass(kind, UptillError) and not issubclass(kind, TooManyOpen):
        return kind(detail)
    return IngestUnavailable(detail or "the ingest service could not answer: try again")


async def with_first(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a block, and then those that follow."""
    yield first
    async for block in rest:
        yield block
        await asyncio.sleep(0)  # other calls of the process get their turn during a long upload
