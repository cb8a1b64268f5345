-- Jobs over every store besides reports: daily facts and insights.

-- name: insert_job
insert into report (id, kind, first_day, last_day, as_of, policy, policy_version, windows, formats, data_cut, created_by,
    request_id, traceparent, tzdata_accepted)
values (%(id)s, %(kind)s, %(first_day)s, %(last_day)s, %(as_of)s, %(policy)s, %(policy_version)s, '{}', '{}', %(accepted_seq)s,
    %(created_by)s, %(request_id)s, %(traceparent)s, %(tzdata_version)s)

-- name: get_job
select id, state, policy, first_day, last_day, as_of, created_at, started_at, finished_at, error,
    (select coalesce(sum(stores), 0)::bigint from report_batch where report_id = report.id) as stores_total,
    (select coalesce(sum(stores), 0)::bigint from report_batch where report_id = report.id and state = 'done') as stores_done,
    (select coalesce(sum(failed_stores), 0)::bigint from report_batch where report_id = report.id) as stores_failed
from report where id = %(id)s and kind = %(kind)s

-- name: cancel_job
update report set state = 'canceled', finished_at = clock_timestamp()
where id = %(id)s and kind = %(kind)s and state in ('queued', 'running')
