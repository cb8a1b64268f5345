"""What must hold once the soak is at rest: every incident has ended, none is double, and each message was told exactly once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import psycopg
from psycopg.rows import dict_row

Records = Sequence[Mapping[str, Any]]
_UNTOLD = {"grouped", "feed_silent"}
# Every one of these finds nothing.
NOTHING: Mapping[str, str] = {
    "incidents that did not end": "select id from incident where ended_at is null",
    "incidents that ended before they began": "select id from incident where ended_at < opened_at",
    "events that nobody sent": "select id from channel_event where message_id is null",
    "messages that were not delivered": "select id from channel_message where state <> 'delivered'",
    "members that did not leave": "select incident_id from incident_member where left_at is null",
    "incidents that were not opened once": (
        "select id from incident i where 1 <> (select count(*) from incident_event where incident_id = i.id and kind = 'opened')"
    ),
    "incidents that did not end once": (
        "select id from incident i where 1 <> (select count(*) from incident_event"
        " where incident_id = i.id and kind in ('resolved', 'withdrawn'))"
    ),
    "stores that are not up": "select store_key from store_now where state <> 'up'",
}


def check_incidents(conn: psycopg.Connection, polls: Records, messages: Records) -> Iterator[str]:
    """Yield every breach."""
    for name, query in NOTHING.items():
        if found := conn.execute(query.encode()).fetchall():
            yield f"{len(found)} {name}, such as {found[0][0]}"
    incidents = conn.cursor(row_factory=dict_row).execute(
        "select i.*, store_id from incident i left join store using (store_key) order by opened_at"
    )
    rows = incidents.fetchall()
    yield from _check_doubles(rows)
    yield from _check_evidence(rows, polls)
    yield from _check_events(conn, rows)
    yield from _check_messages(conn, messages)


def _check_doubles(incidents: Records) -> Iterator[str]:
    """Two incidents of one subject follow each other."""
    of_subject: dict[Any, list[Mapping[str, Any]]] = {}
    for each in incidents:
        of_subject.setdefault((each["rule"], each["subject"], each["store_key"]), []).append(each)
    for subject, several in of_subject.items():
        for earlier, later in pairwise(several):
            if earlier["ended_at"] is None or later["opened_at"] < earlier["ended_at"]:
                yield f"{subject} has two incidents at once: {earlier['id']} and {later['id']}"


def _check_evidence(incidents: Records, polls: Records) -> Iterator[str]:
    """Each incident of a store began with an inactive poll that was sent."""
    inactive = {
        (poll["store_id"], datetime.fromisoformat(poll["observed_at"]))
        for record in polls
        for poll in record["polls"]
        if poll["status"] == "inactive"
    }
    for each in incidents:
        if each["store_id"] is not None and (each["store_id"], each["since_latest"]) not in inactive:
            yield f"incident {each['id']} of {each['store_id']} begins at {each['since_latest']}, without an inactive poll"


def _check_events(conn: psycopg.Connection, incidents: Records) -> Iterator[str]:
    """Each incident's begin and end were told once, alone or in one event with others of its evaluation."""
    wanted = Counter((each["rule"], "incident.opened") for each in incidents)
    wanted.update(
        (each["rule"], f"incident.{each['state']}") for each in incidents if each["cause"] not in _UNTOLD
    )
    told: Counter[tuple[str, str]] = Counter()
    alone: Counter[tuple[str, str]] = Counter()
    for rule, event, notice in conn.execute(
        "select topic, event, notice from channel_event where event <> 'incident.updated'"
    ).fetchall():
        told[rule, event] += 1 if notice["subject_id"] else int(notice["what"].split()[0].replace(",", ""))
        if notice["subject_id"]:
            alone[notice["subject_id"], event] += 1
    for name in wanted.keys() | told.keys():
        if wanted[name] != told[name]:
            yield f"{told[name]} incidents were told as {name}, not {wanted[name]}"
    yield from (
        f"{event} of {incident} was told {n} times" for (incident, event), n in alone.items() if n > 1
    )


def _check_messages(conn: psycopg.Connection, messages: Records) -> Iterator[str]:
    """Each message arrived under its id, with all of its events, and the same each time."""
    stored: dict[str, dict[str, int]] = {
        str(message): counts
        for message, counts in conn.execute(
            "select message_id, jsonb_object_agg(event, number) from"
            " (select message_id, event, count(*) as number from channel_event group by 1, 2) counted group by 1"
        ).fetchall()
    }
    taken = {record["id"] for record in messages if record["taken"]}
    yield from (f"message {message} did not arrive" for message in stored.keys() - taken)
    yield from (f"message {message} does not exist" for message in taken - stored.keys())
    for record in messages:
        if record["id"] in stored and record["counts"] != stored[record["id"]]:
            yield f"message {record['id']} told {record['counts']}, not {stored[record['id']]}"


def figures(conn: psycopg.Connection, polls: Records, messages: Records) -> dict[str, int]:
    """What happened, in numbers."""
    states = conn.execute(
        "select rule || ' ' || state, count(*) from incident group by 1 order by 1"
    ).fetchall()
    ids = Counter(record["id"] for record in messages if record["taken"])
    return {
        "polls": sum(len(record["polls"]) for record in polls),
        **{f"incidents {name}": number for name, number in states},
        "messages": len(ids),
        "messages that came twice": sum(1 for number in ids.values() if number > 1),
        "messages refused": sum(1 for record in messages if not record["taken"]),
    }
