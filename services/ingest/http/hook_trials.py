"""Tries a mapping on a pasted sample: what would be stored, and what would be rejected and why. Stores nothing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection
from pydantic import TypeAdapter, ValidationError

from services.ingest.hooks.call_terms import MAX_HOOK_BYTES, require_json
from services.ingest.hooks.map_items import HookReject, HookRules
from services.ingest.hooks.mapping import HookMapping
from services.ingest.hooks.places import HookPayload
from services.ingest.hooks.signatures import ApiKeyCaller, Proof
from services.ingest.hooks.unfold import BATCH_TYPE, EVENT_TYPE
from services.ingest.http.bodies import bare_media_type, refuse_body
from services.ingest.http.hook_calls import map_call, parse_payload
from services.ingest.http.hook_ring import ReadyHook
from services.ingest.http.live_polls import LivePolls
from services.ingest.http.schemas_hook_mapping import HookMappingParts
from services.ingest.http.schemas_hooks import HookTrialBody, HookTrialPoll, HookTrialPost, HookTrialReject
from services.ingest.http.write_hooks import Storable, sift_call
from services.ingest.write.database_clock import FUTURE_TOLERANCE_US
from shared.clock import from_us
from shared.db.queries import queries
from shared.errors import BodyTooLarge
from shared.http.encodings import refuse_encoding
from shared.reject_advice import require_advice
from shared.unique_json import find_member

MAX_TRIAL_BYTES = MAX_HOOK_BYTES + (256 << 10)  # a sample, and a mapping to try
_SQL, _NOTES = queries("hooks"), queries("notes")
_TRIAL = TypeAdapter(HookTrialPost)


@dataclass(frozen=True)
class TriedCall:
    """A sample as a call would bring it. `kind` is its media type."""

    payload: HookPayload
    kind: str
    preset: str | None
    mapping: HookMappingParts | None


def read_trial(body: bytes) -> TriedCall:
    """Return the trial. Raise what `parse_payload` raises, and what a call with this sample and these headers would get."""
    try:
        given = _TRIAL.validate_python(parse_payload(body))
    except ValidationError as error:
        raise refuse_body(error) from None
    headers = {name.lower(): value.strip(" \t") for name, value in given.headers.items()}
    refuse_encoding(headers)
    default = BATCH_TYPE if isinstance(given.sample, list) else EVENT_TYPE
    kind = bare_media_type(headers.get("content-type", default))
    require_json(kind)
    if len(find_member(body, "sample")) > MAX_HOOK_BYTES:
        raise BodyTooLarge(MAX_HOOK_BYTES)
    payload = HookPayload(given.sample, headers, time.time_ns() // 1000)
    return TriedCall(payload, kind, given.preset, given.mapping)


async def try_mapping(
    conn: AsyncConnection, mapping: HookMapping, trial: TriedCall, rules: HookRules
) -> HookTrialBody:
    """Return what a sample would become under the mapping."""
    hook = ReadyHook("", 1, mapping, ApiKeyCaller(), ())
    polls, mapped = map_call(hook, trial.payload, trial.kind, rules, Proof())
    assert polls.hook is not None  # noqa: S101 - map_call sets it
    words: dict[str, int] = dict(await (await conn.execute(_NOTES["words"])).fetchall())
    stores: dict[str, int] = dict(
        await (await conn.execute(_SQL["known_stores"], {"ids": list(set(polls.ids))})).fetchall()
    )
    storable = Storable(trial.payload.received_us + FUTURE_TOLERANCE_US, words, stores)
    polls = sift_call(polls, polls.hook, storable)
    assert polls.hook is not None  # noqa: S101 - sift_call keeps it
    return HookTrialBody(
        polls=_show_polls(polls), rejects=_show_rejects(polls.hook.rejects), ignored=mapped.ignored
    )


def _show_polls(polls: LivePolls) -> Sequence[HookTrialPoll]:
    """Return the polls, each event with its end."""
    notes = polls.notes
    ends = (
        {}
        if notes is None
        else dict(zip(notes.place[notes.is_end].tolist(), polls.at_us[notes.is_end].tolist(), strict=True))
    )
    return [
        HookTrialPoll(
            store_id=store_id,
            status="active" if active else "inactive",
            observed_at=from_us(at_us),
            event=bool(notes is not None and notes.event[poll]),
            reason=(notes.reasons[poll] or None) if notes is not None else None,
            until=from_us(ends[int(notes.place[poll])])
            if notes is not None and int(notes.place[poll]) in ends
            else None,
        )
        for poll, (store_id, at_us, active) in enumerate(
            zip(polls.ids, polls.at_us.tolist(), polls.active.tolist(), strict=True)
        )
        if notes is None or not notes.is_end[poll]
    ]


def _show_rejects(rejects: Sequence[HookReject]) -> Sequence[HookTrialReject]:
    return [
        HookTrialReject(reason=one.reason, message=require_advice(one.reason, "hook"), item=one.raw.decode())
        for one in rejects
    ]
