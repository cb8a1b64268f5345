"""Tries a mapping on a pasted sample: what would be stored, and what would be rejected and why. Stores nothing."""

import time
from collections.abc import Sequence

from psycopg import AsyncConnection
from pydantic import TypeAdapter, ValidationError

from services.ingest.hooks.map_items import HookReject, HookRules
from services.ingest.hooks.mapping import HookMapping
from services.ingest.hooks.places import HookPayload
from services.ingest.hooks.signatures import ApiKeyCaller, Proof
from services.ingest.hooks.unfold import BATCH_TYPE, EVENT_TYPE
from services.ingest.http.bodies import refuse_body
from services.ingest.http.hook_calls import MAX_HOOK_BYTES, map_call, parse_payload
from services.ingest.http.hook_ring import ReadyHook
from services.ingest.http.live_polls import LivePolls
from services.ingest.http.schemas_hooks import HookTrialBody, HookTrialPoll, HookTrialPost, HookTrialReject
from services.ingest.http.write_hooks import Storable, sift_call
from services.ingest.write.database_clock import FUTURE_TOLERANCE_US
from shared.clock import from_us
from shared.db.queries import queries
from shared.reject_advice import require_advice

MAX_TRIAL_BYTES = MAX_HOOK_BYTES + (256 << 10)  # a sample, and a mapping to try
_SQL, _NOTES = queries("hooks"), queries("notes")
_TRIAL = TypeAdapter(HookTrialPost)


def parse_trial(body: bytes) -> HookTrialPost:
    """Return the trial, whose sample is read like the body of a call. Raise as `parse_payload` does."""
    try:
        return _TRIAL.validate_python(parse_payload(body))
    except ValidationError as error:
        raise refuse_body(error) from None


async def try_mapping(
    conn: AsyncConnection, mapping: HookMapping, trial: HookTrialPost, rules: HookRules
) -> HookTrialBody:
    """Return what a sample would become under the mapping."""
    hook = ReadyHook("", 1, mapping, ApiKeyCaller(), ())
    now_us = time.time_ns() // 1000
    headers = {name.lower(): value for name, value in trial.headers.items()}
    given_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    kind = given_type or (BATCH_TYPE if isinstance(trial.sample, list) else EVENT_TYPE)
    polls, mapped = map_call(hook, HookPayload(trial.sample, headers, now_us), kind, rules, Proof())
    assert polls.hook is not None  # noqa: S101 - map_call sets it
    words: dict[str, int] = dict(await (await conn.execute(_NOTES["words"])).fetchall())
    stores: dict[str, int] = dict(
        await (await conn.execute(_SQL["known_stores"], {"ids": list(set(polls.ids))})).fetchall()
    )
    storable = Storable(now_us + FUTURE_TOLERANCE_US, words, stores)
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
