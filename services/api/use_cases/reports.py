"""Create, await, follow, cancel and retry reports."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from structlog.contextvars import bind_contextvars

from services.api.changes import POLL_INTERVAL_S
from services.api.context import ApiContext
from shared import failpoints
from shared.audit import record_async
from shared.db.connect import autocommitting_async, borrowed_async
from shared.errors import (
    AuthenticationError,
    DatabaseUnavailable,
    FileNotFound,
    FileNotReady,
    ReportExpired,
)
from shared.http.observe import current_origin
from shared.http.quotas import Quota
from shared.keys import EVERY_STORE, ApiKey, StoreScope
from shared.reports.acceptance import Accepted
from shared.reports.end import retry_report, withdraw
from shared.reports.formats import file_name
from shared.reports.model import FileOfReport, Report
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.read import get_report
from shared.reports.revise import RevisionRequest, revise_report
from shared.reports.trigger import trigger_report
from shared.texts import quoted

# Raises `AuthenticationError` if the caller's key has ended meanwhile.
KeyCheck = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class CreatedReport:
    """A report for the caller. `quota` counts the key's open reports; None if an existing report was returned."""

    report: Report
    quota: Quota | None


class AwaitedReport(NamedTuple):
    """A report as a call saw it last. `has_just_ended`: the call saw it open before, so a worker has just checked its files."""

    report: Report
    has_just_ended: bool


async def create_report(
    context: ApiContext, request: ReportRequest | RevisionRequest, caller: ReportCaller
) -> CreatedReport:
    """Accept a report or a revision of one, and wake workers, without waiting for Redis.

    Return an existing report for the same parameters and data, unless its files are lost. Raises `Overloaded`, and what
    `trigger_report` and `revise_report` raise.
    """
    await context.pressure.check_backlog(caller.key_prefix)
    accepted, report = await _accept_report(context, request, caller)
    unusable: list[UUID] = []
    while not accepted.wakes and await context.files.find_lost(report):
        unusable.append(report.id)
        accepted, report = await _accept_report(context, request, caller, unusable)
    if accepted.open_reports is None:
        return CreatedReport(report, None)
    limit = context.batch_terms.limits.open_reports
    return CreatedReport(report, Quota("open-reports", limit, accepted.open_reports))


async def _accept_report(
    context: ApiContext,
    request: ReportRequest | RevisionRequest,
    caller: ReportCaller,
    unusable: Sequence[UUID] = (),
) -> tuple[Accepted, Report]:
    terms, origin = context.batch_terms, current_origin()
    async with autocommitting_async(context.pools.accepting) as conn:
        if isinstance(request, RevisionRequest):
            accepted = await revise_report(conn, request, caller, terms, origin, unusable=unusable)
        else:
            accepted = await trigger_report(conn, request, caller, terms, origin, unusable=unusable)
        bind_contextvars(report_id=str(accepted.report_id))  # for the request's log line too
        failpoints.hit("trigger.after_commit")
        # Workers begin while this process reads the answer.
        context.publisher.offer(accepted.wakes)
        return accepted, await get_report(conn, accepted.report_id, caller.visible)


async def wait_for_report(
    context: ApiContext, report_id: UUID, visible: StoreScope, wait_s: float, check_key: KeyCheck
) -> AwaitedReport:
    """Return the report once it has ended, or after `wait_s` seconds, or when this service stops.

    Raises `ReportNotFound`, and `AuthenticationError` once the caller's key has ended.
    """
    loop = asyncio.get_running_loop()
    until, was_open = loop.time() + wait_s, False
    with context.changes.watch_report(report_id) as waiter:
        while True:
            waiter.changed.clear()
            report = await context.reads.read_report(report_id, visible)
            left_s = until - loop.time()
            if report.is_final or left_s <= 0:
                return AwaitedReport(report, report.is_final and was_open)
            was_open = True
            if await context.stopping.pause(min(POLL_INTERVAL_S, left_s), waiter.changed):
                return AwaitedReport(report, has_just_ended=False)
            await check_key()


async def follow_report(context: ApiContext, report: Report, check_key: KeyCheck) -> AsyncIterator[Report]:
    """Yield the report after each change until it has ended, its reader's key has ended, or this service stops."""
    last: tuple[str, int, int] | None = None
    with context.changes.watch_report(report.id, progress=True) as waiter:
        while True:
            current = (report.state, report.stores_done, report.stores_total)
            if current != last:
                last = current
                yield report
            if report.is_final:
                return
            # Changes in quick succession become one event.
            if await context.stopping.pause(context.changes.pace_s):
                return
            if await context.stopping.pause(POLL_INTERVAL_S, waiter.changed):
                return
            waiter.changed.clear()
            try:
                await check_key()
                report = await context.reads.read_report(report.id, EVERY_STORE)
            except AuthenticationError:
                return
            except DatabaseUnavailable:
                continue  # the next read may succeed, so keep the stream open


async def cancel_report(context: ApiContext, report_id: UUID, key: ApiKey) -> Report:
    """Withdraw a key from a report, and cancel the report if no other key wants it.

    A key with the scope `admin` cancels it for all keys. Raises `ReportNotFound` and `ReportEnded`.
    """
    bind_contextvars(report_id=str(report_id))
    async with borrowed_async(context.pools.accepting) as conn, conn.transaction():
        canceled = await withdraw(conn, report_id, key.visible, by=key.prefix, for_all=key.allows("admin"))
        action = "report.canceled" if canceled else "report.withdrawn"
        await record_async(conn, key.prefix, action, str(report_id))
        return await get_report(conn, report_id)


async def restart_report(context: ApiContext, report_id: UUID, key: ApiKey) -> Report:
    """Retry a failed report and wake workers. Raises `ReportNotFound`, `ReportEnded` and `TooManyOpenReports`."""
    bind_contextvars(report_id=str(report_id))
    async with borrowed_async(context.pools.accepting) as conn, conn.transaction():
        wakes = await retry_report(
            conn,
            report_id,
            key.visible,
            republish_s=context.settings.republish_s,
            by=key.prefix,
            limits=context.batch_terms.limits,
        )
        await record_async(conn, key.prefix, "report.retried", str(report_id))
        report = await get_report(conn, report_id)
    context.publisher.offer(wakes)
    return report


def find_file(report: Report, name: str) -> FileOfReport:
    """Return a file by name. Raises `FileNotReady`, `ReportExpired` or `FileNotFound`."""
    files = report.files if report.state == "succeeded" else ()
    for file in files:
        if file.name == name:
            return file
    asked = {file_name(each, kind) for kind in report.file_kinds for each in report.formats}
    if name in asked and not report.is_final:
        raise FileNotReady(
            f"report {report.id} is {report.state}, so {name} does not exist yet: try again later"
        )
    if report.state == "expired":
        raise ReportExpired(f"report {report.id} has expired and its files were removed: create a new report")
    names = ", ".join(file.name for file in report.files) or "none"
    raise FileNotFound(
        f"report {report.id} ({report.state}) has no file {quoted(name)}: its files are {names}"
    )
