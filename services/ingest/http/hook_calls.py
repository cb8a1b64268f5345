"""Receives a call of a hook: reads its body in bounded memory, checks its signature, maps it, and has its polls committed."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import numpy as np
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from services.ingest.hooks.call_terms import MAX_HOOK_BYTES, read_headers, require_json
from services.ingest.hooks.map_items import HookRules, MappedItems, MappedPoll, map_items
from services.ingest.hooks.places import HookPayload
from services.ingest.hooks.signatures import ApiKeyCaller, Proof
from services.ingest.hooks.unfold import TooManyItems, unfold
from services.ingest.http.bodies import announced_bytes, load_json, media_type, read_bytes
from services.ingest.http.hook_delivery import (
    REMEMBERED_MESSAGE_S,
    AlreadyReceived,
    HookDelivery,
    digest_message,
)
from services.ingest.http.hook_ring import ReadyHook
from services.ingest.http.live_polls import LivePolls, SentNotes, add_ends
from services.ingest.write.counts import NO_ROWS, RowCounts
from shared.errors import Overloaded, SignatureInvalid
from shared.http.auth import RequireScope

_MOST_HELD_BYTES: Final = 64 << 20  # of bodies whose sender is not known yet, in one process
_CALLER = RequireScope("ingest:write")
_NO_POLLS = LivePolls([], np.zeros(0, np.int64), np.zeros(0, np.bool_))
_FAILURES: Final[Mapping[str, str]] = {
    "missing": "a header with a signature, or one that is signed, is missing: see the hook's signature in `uptill hooks show`",
    "wrong": "the signature or token is wrong: check the secret, and that the body arrives as it was signed",
    "stale": "the signed time is not a number, or is too far from now: check its unit and the sender's clock, and sign each attempt again",
}


@dataclass(frozen=True)
class HookOutcome:
    """What became of a call: the counts of its items, how many were ignored, and whether it was a repetition."""

    counts: RowCounts = NO_ROWS
    ignored: int = 0
    is_replayed: bool = False


class UnsignedCall(SignatureInvalid):
    """A call that is refused, with the kind of failure for the metric."""

    def __init__(self, kind: str) -> None:
        super().__init__(_FAILURES[kind])
        self.kind = kind


class HeldBodies:
    """Bounds the memory that bodies of unknown senders take."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextmanager
    def hold(self, announced: int) -> Iterator[None]:
        """Reserve room for one body while the block runs. Raise `Overloaded` if too many are held."""
        room = min(announced, MAX_HOOK_BYTES) or MAX_HOOK_BYTES
        if self._bytes + room > _MOST_HELD_BYTES:
            raise Overloaded("too many calls of hooks arrive at the same time; send this one again")
        self._bytes += room
        try:
            yield
        finally:
            self._bytes -= room


async def read_signed(request: Request, hook: ReadyHook, held: HeldBodies) -> tuple[bytes, Proof]:
    """Return the body and what its signature proves.

    Raise `UnsignedCall`, `BodyTooLarge`, `UnsupportedMediaType`, `Overloaded`, and for keys what `RequireScope` raises.
    """
    require_json(media_type(request))
    if isinstance(hook.scheme, ApiKeyCaller):
        await _CALLER(request)
        return await read_bytes(request, limit_bytes=MAX_HOOK_BYTES), Proof()
    with held.hold(announced_bytes(request)):
        body = await read_bytes(request, limit_bytes=MAX_HOOK_BYTES)
    proof = hook.scheme.check(request.headers, body, hook.secrets, time.time())
    if isinstance(proof, str):
        raise UnsignedCall(proof)
    if (connection := getattr(request.state, "connection", None)) is not None:
        connection.admit()
    return body, proof


def parse_payload(body: bytes) -> Any:
    """Return the document. Raise `RequestValidationError`, and HTTPException if it is nested too deeply."""
    try:
        return load_json(body)
    except RecursionError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST) from error


def map_call(
    hook: ReadyHook, payload: HookPayload, kind: str, rules: HookRules, proof: Proof
) -> tuple[LivePolls, MappedItems]:
    """Return the polls of a payload, and what became of its items."""
    try:
        unfolded = unfold(hook.mapping, payload, kind)
    except TooManyItems as error:
        raise RequestValidationError([{"loc": ("body",), "msg": str(error)}]) from None
    mapped = map_items(hook.mapping, unfolded.items, payload, rules)
    mapped.rejects.extend(unfolded.rejects)
    mapped.rejects.sort(key=lambda one: one.place)
    message_id = proof.message_id or unfolded.message_id
    delivery = HookDelivery(
        hook=hook.name,
        version=hook.version,
        items=[poll.item for poll in mapped.polls],
        places=mapped.places,
        rejects=mapped.rejects,
        message=digest_message(hook.name, message_id) if message_id else None,
        keep_s=max(REMEMBERED_MESSAGE_S, 2 * getattr(hook.scheme, "tolerance_s", 0)),
        adds_stores=hook.mapping.adds_stores,
    )
    return make_polls(mapped, delivery), mapped


def make_polls(mapped: MappedItems, delivery: HookDelivery) -> LivePolls:
    """Return mapped polls as the writer takes them."""
    polls = mapped.polls
    if not polls:
        return LivePolls([], _NO_POLLS.at_us, _NO_POLLS.active, hook=delivery)
    made = LivePolls(
        [poll.store_id for poll in polls],
        np.array([poll.at_us for poll in polls], np.int64),
        np.array([poll.active for poll in polls], np.bool_),
        _make_notes(polls),
        delivery,
    )
    until_us = [poll.until_us for poll in polls]
    return add_ends(made, until_us) if any(end is not None for end in until_us) else made


def _make_notes(polls: Sequence[MappedPoll]) -> SentNotes | None:
    """Return what polls say besides a status, without the ends of events; None if that is nothing."""
    if not any(poll.event or poll.reason for poll in polls):
        return None
    reasons = [poll.reason for poll in polls]  # they are folded
    return SentNotes(
        np.array([poll.event for poll in polls], np.bool_),
        reasons,
        np.arange(len(polls)),
        np.zeros(len(polls), np.bool_),
    )


async def receive_call(request: Request, hook: ReadyHook) -> HookOutcome:
    """Store a call of a hook, and return when it is committed. Raise what its parts raise."""
    context = request.app.state.context
    received_us = time.time_ns() // 1000
    body, proof = await read_signed(request, hook, context.held_bodies)
    payload = HookPayload(parse_payload(body), read_headers(request.headers.raw), received_us)
    rules = HookRules(context.status_words, context.settings.allow_odd_ids)
    polls, mapped = map_call(hook, payload, media_type(request), rules, proof)
    if not len(polls) and not mapped.rejects:
        context.ignored_calls.count(hook.name)
        return HookOutcome(ignored=mapped.ignored)
    try:
        counts = await context.live.submit(polls)
    except AlreadyReceived:
        return HookOutcome(is_replayed=True)
    return HookOutcome(counts, mapped.ignored)
