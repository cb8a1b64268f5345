"""Live polls, messages of Kafka and files of an SFTP server that were acknowledged: each is stored, and counted once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import psycopg

from tests.oracle.report import instant_us

_ANSWERS = {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}
_AGAIN = "select source, duplicate, corrected from import where origin in ('live', 'kafka') and duplicate + corrected > 0"
# The bytes of a file may be loaded again after any correction, and its polls are duplicates then.
_DROPPED = "select sum(accepted)::int, sum(corrected)::int from import where source like 'sftp://%'"


def check_acknowledged(
    conn: psycopg.Connection, stored: Collection[tuple[str, int]], records: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield what is missing, and what was counted again. No such poll was ever sent as another one."""
    answered = [record for record in records if record["what"] == "call_answered"]
    accepted = {record["at"] for record in answered if record["status"] == HTTPStatus.OK}
    for record in records:
        if record["what"] in {"produced", "dropped"} or (
            record["what"] == "called" and record["polls"][0]["observed_at"] in accepted
        ):
            for poll in record["polls"]:
                if (poll["store_id"], instant_us(poll["observed_at"])) not in stored:
                    yield f"a poll that was acknowledged is not there: {poll}"
    for record in answered:
        if record["status"] not in _ANSWERS:
            yield f"a call to {record['path']} was answered {record['status']}"
    dropped = {
        (poll["store_id"], poll["observed_at"])
        for record in records
        if record["what"] == "dropped"
        for poll in record["polls"]
    }
    if (counted := conn.execute(_DROPPED).fetchone()) != (len(dropped), 0):
        yield f"{len(dropped)} polls were in dropped files; accepted and corrected were {counted}"
    for source, duplicate, corrected in conn.execute(_AGAIN):
        yield f"of {source}, {duplicate} polls were counted as duplicates and {corrected} as corrections"
