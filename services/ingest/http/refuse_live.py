"""Why a live call is refused as a whole, as only the database can tell."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import numpy as np

from services.ingest.http.live_polls import LivePolls
from services.ingest.write.sealed_weeks import WeekSealed, week_sealed
from services.ingest.write.weeks import number_weeks
from shared.errors import InvalidRequest
from shared.reject_advice import require_advice
from shared.texts import quoted

# Polls of a year and more. Each week that is new takes 6 ms, in which all others wait.
MAX_WEEKS: Final = 60


def refuse_reasons(polls: LivePolls, reasons: Mapping[str, int]) -> InvalidRequest | None:
    """Return the refusal of a call with a reason that is not known, or None."""
    if polls.notes is None:
        return None
    for poll, word in enumerate(polls.notes.reasons):
        if word and word not in reasons:
            place = polls.notes.place[poll]
            return InvalidRequest(
                f"poll {place}, reason {quoted(word)}: {require_advice('unknown_reason', 'live')}",
                field=f"body.observations.{place}.reason",
            )
    return None


def refuse_sealed(polls: LivePolls, sealed: Mapping[int, datetime]) -> WeekSealed | None:
    """Return the refusal of a call with polls of sealed weeks, which are given by number, or None."""
    weeks = set(number_weeks(polls.at_us).tolist()) & sealed.keys() if sealed else set()
    if not weeks:
        return None
    error = week_sealed([sealed[week] for week in sorted(weeks)])
    return WeekSealed(f"{error}; send these polls again then", error.mondays)


def refuse_future(polls: LivePolls, latest_us: int) -> InvalidRequest | None:
    """Return the refusal of a call with a poll after this instant, or None."""
    late = np.flatnonzero(polls.at_us > latest_us)
    if not late.size:
        return None
    name = polls.name_instant(late[0])
    place, _, field = name.partition(".")
    reason = "until_order" if field == "until" else "future"
    return InvalidRequest(
        f"poll {place}: {require_advice(reason, 'live')}", field=f"body.observations.{name}"
    )


def refuse_many_weeks(polls: LivePolls) -> InvalidRequest | None:
    """Return the refusal of a call whose polls lie in very many weeks, or None."""
    if len(polls) <= MAX_WEEKS or len(np.unique(number_weeks(polls.at_us))) <= MAX_WEEKS:
        return None
    return InvalidRequest(
        f"the polls are of more than {MAX_WEEKS} weeks: send older ones in further calls, or as a file; if they are not that"
        " old, check the clock of the sender",
        field="body.observations",
    )
