"""What must hold once a soak has come to rest: by SQL, in the bucket, and by computing every file again."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from services.cli.reconcile_files import reconcile
from shared.reports.retention import PREFIX, sweep_bucket
from shared.storage import Storage
from tests.chaos.soak.acknowledged import check_acknowledged
from tests.chaos.soak.adjustments import read_changes
from tests.chaos.soak.facts import check_long_reports
from tests.chaos.soak.truth import Finished, Truth
from tests.fixtures.buckets import content_of
from tests.integration.ingest.database import check_ledger
from tests.oracle.accounting import EPOCH
from tests.oracle.report import WINDOWS

Records = Sequence[Mapping[str, Any]]
_LATER = timedelta(days=1)
_TTL_S = 7 * 86_400.0

# Every one of these finds nothing.
NOTHING: Mapping[str, str] = {
    "reports that did not end": "select id from report where state in ('queued', 'running') and kind <> 'now'",
    "leases that nobody holds": "select report_id from report_batch where state = 'leased'",
    "finalisations that nobody holds": (
        "select id from report where finalise_lease_until > clock_timestamp() and state in ('queued', 'running')"
    ),
    "succeeded reports with an open batch": (
        "select id from report r where state = 'succeeded'"
        " and exists (select from report_batch where report_id = r.id and state <> 'done')"
    ),
    "reports that ended without an end": (
        "select id from report where (finished_at is null) <> (state in ('queued', 'running'))"
    ),
    "canceled or failed reports with a file": (
        "select id from report join report_file on report_id = id where state in ('canceled', 'failed')"
    ),
    "stores that are not in exactly one batch": (
        "select r.id from report r join store s on s.polled_since_seq <= r.data_cut"
        " left join report_batch b on b.report_id = r.id and s.store_id between b.first_id and b.last_id"
        " where r.kind in ('report', 'facts')"
        " group by r.id, s.store_key having count(b.batch_no) <> 1"
    ),
    "batches that miscount their stores": (
        "select b.report_id from report_batch b join report r on r.id = b.report_id where r.kind in ('report', 'facts')"
        " and b.stores <>"
        " (select count(*) from store s where s.polled_since_seq <= r.data_cut"
        "  and s.store_id between b.first_id and b.last_id)"
    ),
    "files with another number of rows than stores": (
        "select r.id from report r left join report_file f on report_id = r.id and f.kind = 'report'"
        " where state = 'succeeded' and r.kind = 'report'"
        " and rows is distinct from (select count(*) from store where polled_since_seq <= r.data_cut)"
        "  - (select sum(left_out) from report_batch where report_id = r.id)"
    ),
    "batches claimed more often than allowed": "select report_id from report_batch where burnt > {max_attempts}",
    "fences that shrank below the claims they count": "select report_id from report_batch where burnt > attempt",
    "failed reports without a batch that used up its claims": (
        "select id from report r where state = 'failed' and finalise_burnt < {max_attempts}"
        " and not exists (select from report_batch where report_id = r.id and burnt >= {max_attempts})"
    ),
    "failed reports that do not say why": (
        "select id from report where state = 'failed' and not error ?& array['title', 'detail', 'cause']"
    ),
    "reports of an Idempotency-Key that are not there": (
        "select report_id from idempotency i where not exists (select from report where id = i.report_id)"
    ),
}


def check_soak(
    conn: psycopg.Connection,
    storage: Storage,
    *,
    told: Records,
    late: Records,
    events: Mapping[str, Sequence[str]],
    max_attempts: int,
) -> Iterator[str]:
    """Yield every breach. `conn` is in autocommit mode; nothing runs any more that could change what it sees."""
    for name, query in NOTHING.items():
        found = conn.execute(query.format(max_attempts=max_attempts).encode()).fetchall()
        if found:
            yield f"{len(found)} {name}, such as {found[0][0]}"
    finished = Counter(events["report_succeeded"])
    yield from (f"report {report_id} was finished twice" for report_id, n in finished.items() if n > 1)
    yield from _check_clients(conn, told)
    yield from _check_changes(conn, late)
    yield from _check_files(conn, storage, told, late)
    yield from check_long_reports(conn, storage, late)
    yield from _check_bucket(conn, storage)


def _check_clients(conn: psycopg.Connection, records: Records) -> Iterator[str]:
    """What a client was told came true."""
    states: dict[str, str] = {
        str(report_id): state for report_id, state in conn.execute("select id, state from report")
    }
    for record in records:
        state = states.get(record.get("id", ""), "")
        if record["what"] == "told" and not state:
            yield f"a client was told of report {record['id']}, which does not exist"
        if record["what"] == "canceled" and state != "canceled":
            yield f"report {record['id']} was canceled for a client, and is {state}"
        if record["what"] == "ended" and state != record["state"] and record["state"] != "failed":
            yield f"report {record['id']} was {record['state']} for a client, and is {state}"
        if record["what"] == "answer" and record["status"] not in {200, 202, 409, 422, 429, 503}:
            yield f"{record['method']} {record['path']} was answered {record['status']}"
    ids_of_key = defaultdict(set)
    for record in records:
        if record["what"] == "told" and record["key"]:
            ids_of_key[record["key"]].add(record["id"])
    yield from (f"key {key} stands for {len(ids)} reports" for key, ids in ids_of_key.items() if len(ids) > 1)
    refused = Counter(r["key"] for r in records if r["what"] == "answer" and r["status"] == 422)
    yield from (
        f"a request with key {key} was refused at first sight" for key in refused if key not in ids_of_key
    )


def _check_changes(conn: psycopg.Connection, late: Records) -> Iterator[str]:
    """Each change that was acknowledged is there, and none was refused."""
    sent = {record["call"]: record for record in late if record["what"] == "changing"}
    notes = {note for (note,) in conn.execute("select note from closure")}
    changes = read_changes(conn).values()
    of_stores = {
        number for changed in changes for number in (*changed.labels.values(), *changed.lifetimes.values())
    }
    dated = {
        (store_id, str(day), tuple(stored))
        for changed in changes
        for (store_id, day), stored in changed.dated_hours.items()
        if stored is not None
    }
    in_force = {
        note.split()[0]
        for (note,) in conn.execute("select note from closure where until_seq is null and note <> ''")
    }
    for record in late:
        if record["what"] != "change_answered" or record["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
            continue
        call, status = sent[record["call"]], record["status"]
        # A call that is sent again may find that it was done.
        may_be_gone = call["method"] == "DELETE" and status == HTTPStatus.NOT_FOUND
        if not (HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or may_be_gone):
            yield f"call {record['call']} ({call['method']} {call}) was answered {status}"
        elif "closure" in call and call["body"]["note"] not in notes:
            yield f"a closure that was acknowledged is not there: {call}"
        elif "dated" in call:
            flat = tuple(number for row in call["rows"] for number in row)
            if (call["store"], call["dated"], flat) not in dated:
                yield f"dated hours that were acknowledged are not there: {call}"
        elif "undated" in call:
            continue
        elif "store" in call and record["call"] not in of_stores:
            yield f"a change of a store that was acknowledged is not there: {call}"
        elif call.get("withdrawn") in in_force:
            yield f"a closure that was withdrawn is still in force: {call}"


def _check_files(conn: psycopg.Connection, storage: Storage, told: Records, late: Records) -> Iterator[str]:
    """Every file has the bytes that the oracle makes of the data at the report's cut."""
    truth = Truth.of_records(conn, late)
    latest = {UUID(r["id"]) for r in told if r["what"] == "told" and r["wish"]["as_of"] == "latest"}
    reports = conn.cursor(row_factory=class_row(Finished)).execute(
        "select id, as_of, policy, detail, data_cut, read_cut, exclude_reasons, f.kind, object, size_bytes, sha256"
        " from report join report_file f on report_id = id where state = 'succeeded' and windows = %s order by read_cut",
        [list(WINDOWS)],
    )
    for report in reports.fetchall():
        truth.advance(report.read_cut)
        content = content_of(storage, report.object)
        if (len(content), hashlib.sha256(content).hexdigest()) != (report.size_bytes, report.sha256):
            yield f"the object of report {report.id} is not the one that was committed"
        wanted = truth.file(report)
        if content != wanted:
            yield f"{report.kind} of {report.id}, read at {report.read_cut}: {_difference(content, wanted)}"
    yield from _check_latest(conn, latest)
    truth.advance(1 << 62)
    yield from _check_polls(conn, truth)
    yield from check_acknowledged(conn, truth.polls(), late)


def _check_latest(conn: psycopg.Connection, ids: Iterable[UUID]) -> Iterator[str]:
    """As of `latest`: the newest poll of all that was committed at the report's cut."""
    wrong = conn.execute(
        "select id, as_of from report r where id = any(%s) and as_of <>"
        " (select max(max_at) from import_chunk join import on import.id = import_id"
        "  where kind = 'polls' and commit_seq <= r.data_cut)",
        [list(ids)],
    )
    yield from (
        f"report {report_id} is as of {as_of}, which was not the latest poll" for report_id, as_of in wrong
    )


def _check_polls(conn: psycopg.Connection, truth: Truth) -> Iterator[str]:
    """The table holds what was delivered."""
    wanted = truth.polls()
    found: dict[tuple[str, int], bool] = {
        (store_id, (at - EPOCH) // timedelta(microseconds=1)): active
        for store_id, at, active in conn.execute(
            "select store_id, observed_at, is_active from observation join store using (store_key)"
        )
    }
    if found != wanted:
        differing = len(found.items() ^ wanted.items())
        yield f"{differing} polls differ between what was delivered and what is stored"
    try:
        check_ledger(conn.info.dsn + f" password={conn.info.password}")
    except AssertionError as error:
        yield f"the import ledger does not add up: {error}"


def _check_bucket(conn: psycopg.Connection, storage: Storage) -> Iterator[str]:
    """After the janitor there is no object, and no open upload, that nothing points to."""
    sweep_bucket(conn, storage, _TTL_S, grace=timedelta(0), now=datetime.now(EPOCH.tzinfo) + _LATER)
    found = reconcile(conn, storage, _TTL_S, deep=True)
    yield from (f"report {damage.object.report_id}: {damage.detail}" for damage in found.files)
    yield from (f"nothing points to {key}" for key in (*found.unreferenced, *found.left_parts))
    yield from (f"the upload of {upload.key} is still open" for upload in storage.open_uploads(PREFIX))


def _difference(content: bytes, wanted: bytes) -> str:
    found, right = content.splitlines(), wanted.splitlines()
    if len(found) != len(right):
        return f"{len(found)} lines instead of {len(right)}"
    number, line, other = next((n, a, b) for n, (a, b) in enumerate(zip(found, right, strict=True)) if a != b)
    return f"line {number} is {line!r}, not {other!r}"
