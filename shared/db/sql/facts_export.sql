-- Months of daily facts as Parquet: jobs, what is in the bucket, and the rows of a month.

-- name: insert_job
-- Without months: those that have facts.
insert into report (id, kind, first_day, last_day, force, as_of, policy, policy_version, windows, formats, data_cut, created_by,
    request_id, traceparent, tzdata_accepted)
select %(id)s, 'facts_export', first, (last + interval '1 month' - interval '1 day')::date, %(force)s, clock_timestamp(),
    %(policy)s, %(policy_version)s, '{}', '{}', (select data_cut from ledger_head), %(created_by)s, %(request_id)s,
    %(traceparent)s, %(tzdata_version)s
from (
    select coalesce(%(first_month)s::date, min(month), %(last_month)s::date, date_trunc('month', now(), 'UTC')::date) as first,
        coalesce(%(last_month)s::date, max(month), %(first_month)s::date, date_trunc('month', now(), 'UTC')::date) as last
    from facts_month where policy = %(policy)s
) months
where first <= last
returning (extract(year from age(last_day + 1, first_day)) * 12 + extract(month from age(last_day + 1, first_day)))::integer

-- name: insert_batches
-- One per month.
insert into report_batch (report_id, batch_no, stores, due_at)
select %(id)s, batch_no, 0, clock_timestamp() + %(republish)s from generate_series(0, %(months)s - 1) batch_no

-- name: get_job
select id, state, policy, first_day as first_month, last_day as last_month, created_at, started_at, finished_at, error,
    (select count(*) from report_batch where report_id = report.id) as months_total,
    (select count(*) from report_batch where report_id = report.id and state = 'done') as months_done
from report where id = %(id)s and kind = 'facts_export'

-- name: list_files
select month, object, rows, size_bytes, sha256, written_at, written_version is not distinct from version as is_current
from facts_month
where policy = %(policy)s and month between %(first_month)s and %(last_month)s and object is not null
order by month

-- name: cancel_job
update report set state = 'canceled', finished_at = clock_timestamp()
where id = %(id)s and kind = 'facts_export' and state in ('queued', 'running')

-- name: nightly_due
-- Policies with months that have changed since they were written, and the first and last of these. Not while facts are being
-- computed, and once a day (UTC).
select policy, min(month), max(month)
from facts_month
where version is distinct from written_version
    and clock_timestamp() at time zone 'UTC' >= date_trunc('day', clock_timestamp() at time zone 'UTC') + %(after)s
    and not exists (select from report where kind = 'facts' and state in ('queued', 'running'))
    and not exists (
        select from report where kind = 'facts_export' and created_by is null and report.policy = facts_month.policy
            and created_at >= date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC')
group by policy
order by policy

-- name: lock_month
-- Of two jobs, one at a time writes a month.
select pg_try_advisory_xact_lock(hashtextextended('uptill.facts_month.' || %(policy)s || %(month)s::date, 0))

-- name: get_month
select version, written_version, object, size_bytes, sha256 from facts_month where policy = %(policy)s and month = %(month)s

-- name: change_months
-- Late in a transaction that changes facts, and in order: it waits for others that change the same months. Returns the months,
-- and whether `packed_day` had their facts before.
insert into facts_month (policy, month, packed_version)
select distinct %(policy)s, date_trunc('month', date '1970-01-01' + day)::date, 1 from unnest(%(days)s::integer[]) day order by 2
on conflict (policy, month) do update
set version = facts_month.version + 1,
    packed_version = case when facts_month.packed_version = facts_month.version then facts_month.version + 1 end
returning month - date '1970-01-01', packed_version is not null

-- name: record_month
update facts_month
set written_version = %(version)s, object = %(object)s, size_bytes = %(size_bytes)s, sha256 = %(sha256)s, rows = %(rows)s,
    written_at = clock_timestamp()
where policy = %(policy)s and month = %(month)s

-- name: forget_month
-- What is in the bucket is unknown, so the next job writes the month.
update facts_month set written_version = null where policy = %(policy)s and month = %(month)s

-- name: every_store
select store_key from store order by store_id

-- name: copy_rows
copy (
    select policy, store_id, local_date, scheduled_us, excluded_us, open_us, up_us, down_us, unknown_us, up_min_us, up_max_us,
        polls, outages, computed_seq
    from store_day join store using (store_key)
    where policy = %(policy)s and store_key = any(%(store_keys)s)
        and local_date >= %(month)s::date and local_date < %(month)s::date + interval '1 month'
    order by store_id, local_date
) to stdout (format csv)
