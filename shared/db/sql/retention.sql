-- Old data that the scheduler deletes. All times are by this database's clock.

-- name: lock_timeout
set local lock_timeout = '2s'

-- name: drop_oldest_week
select drop_oldest_week(clock_timestamp() - %(keep)s, %(import_id)s)

-- name: forget_rejects
delete from import_reject
where import_id in (
    select id from import where finished_at < clock_timestamp() - %(keep)s and exists (
        select from import_reject where import_id = import.id)
    limit %(limit)s)

-- name: forget_imports
select imports, more from forget_imports(clock_timestamp() - %(keep)s, %(rows)s)

-- name: forgettable_reports
-- Reports that ended long enough ago. Succeeded ones only after their files have expired.
select id from report
where state in ('failed', 'canceled', 'expired') and coalesce(expired_at, finished_at) < clock_timestamp() - %(keep)s
order by finished_at
limit %(limit)s

-- name: forget_reports
with gone as (
    delete from report
    where id = any(%(ids)s) and state in ('failed', 'canceled', 'expired')
    returning state, kind, extract(epoch from finished_at - created_at)::float8 as seconds
), counted as (
    insert into forgotten_latency (bucket, reports, seconds)
    select width_bucket(seconds, %(buckets)s::float8[]), count(*), sum(seconds) from gone where state = 'expired' and kind = 'report' group by 1
    on conflict (bucket) do update
    set reports = forgotten_latency.reports + excluded.reports, seconds = forgotten_latency.seconds + excluded.seconds
)
select count(*) from gone

-- name: forget_idempotency
-- Expired Idempotency-Keys, and the rows of `keep_question`, which only concurrent requests need.
delete from idempotency
where (created_by, key) in (
    select created_by, key from idempotency where created_at < clock_timestamp() - interval '24 hours' limit %(limit)s)

-- name: forget_interests
-- Interest in a report matters until it has ended, and while an Idempotency-Key may still refer to it.
delete from report_interest
where (report_id, key_line) in (
    select i.report_id, i.key_line from report_interest i join report r on r.id = i.report_id
    where r.finished_at < clock_timestamp() - interval '25 hours' and r.state not in ('queued', 'running')
    limit %(limit)s)
