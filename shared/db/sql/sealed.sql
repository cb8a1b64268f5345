-- Weeks of polls that lie in the bucket: who reads, seals and opens them. See migration 0044.

-- name: lock_table
-- The first statement of a transaction that reads polls. No partition can be dropped before the transaction ends, so its
-- snapshot and the partitions agree. A week may be opened: its partition has no row that the snapshot sees.
lock table only observation in access share mode

-- name: weeks
-- Between two instants, both included.
select starts_at, object, size_bytes, sha256, rows, pieces from sealed_week
where opened_at is null and starts_at <= %(to_time)s and starts_at + interval '168 hours' > %(from_time)s
order by starts_at

-- name: week
select starts_at, object, size_bytes, sha256, rows, pieces from sealed_week
where starts_at = %(monday)s and opened_at is null

-- name: sealed_mondays
select starts_at from sealed_week where starts_at = any(%(mondays)s) and opened_at is null

-- name: want_weeks
update sealed_week set wanted_at = coalesce(wanted_at, clock_timestamp())
where starts_at = any(%(mondays)s) and opened_at is null

-- name: sealable
-- The first and the last week that may be sealed: weeks that ended before an instant, and well before the newest poll; that
-- no import is filling; and that were not opened lately.
with week as (
    select to_date(substr(relname, 13), 'IYYY"w"IW')::timestamp at time zone 'UTC' as starts_at
    from pg_inherits join pg_class on pg_class.oid = inhrelid
    where inhparent = 'public.observation'::regclass and to_regclass('public.' || relname || '_key') is not null
)
select min(starts_at)::date, max(starts_at)::date, count(*) from week
where starts_at + interval '168 hours' <= least(
        %(before)s::timestamptz, (select latest_observed_at from ledger_head) - %(margin)s::interval)
    and not exists (
        select from sealed_week
        where sealed_week.starts_at = week.starts_at and opened_at > clock_timestamp() - %(rest)s::interval)

-- name: is_sealable
select to_regclass('public.' || week_partition(%(monday)s) || '_key') is not null
    and %(monday)s::timestamptz + interval '168 hours' <= (select latest_observed_at from ledger_head) - %(margin)s::interval

-- name: sealing_due
-- Once a day (UTC), and not while weeks are being sealed.
select not exists (
    select from report where kind = 'seal' and (
        state in ('queued', 'running')
        or (created_by is null and created_at >= date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC')))

-- name: wanted
-- Not while weeks are being opened, nor soon after that failed.
select min(starts_at at time zone 'UTC')::date, max(starts_at at time zone 'UTC')::date from sealed_week
where wanted_at is not null and opened_at is null
    and not exists (
        select from report where kind = 'unseal' and (
            state in ('queued', 'running') or (state = 'failed' and finished_at > clock_timestamp() - interval '5 minutes')))
having count(*) > 0

-- name: start_lock
-- Of two schedulers, one at a time.
select pg_advisory_xact_lock(hashtextextended('uptill.seal', 0))

-- name: insert_job
insert into report (id, kind, first_day, last_day, as_of, policy, policy_version, windows, formats, data_cut, created_by,
    request_id, traceparent, tzdata_accepted)
select %(id)s, %(kind)s, %(first_week)s::date, %(last_week)s::date + 6, clock_timestamp(), %(policy)s, %(policy_version)s,
    '{}', '{}', (select data_cut from ledger_head), %(created_by)s, null, null, %(tzdata_version)s

-- name: insert_batches
-- One per week.
insert into report_batch (report_id, batch_no, stores, due_at)
select %(id)s, batch_no, 0, clock_timestamp() + %(republish)s from generate_series(0, %(weeks)s - 1) batch_no

-- name: get_job
select state, error ->> 'detail' as error,
    (select count(*) from report_batch where report_id = report.id) as weeks_total,
    (select count(*) from report_batch where report_id = report.id and state = 'done') as weeks_done,
    (select max(b.error ->> 'detail') from report_batch b where b.report_id = report.id and b.state <> 'done') as waiting_for,
    (select count(*) from sealed_week where opened_at is null and starts_at >= report.first_day::timestamp at time zone 'UTC'
        and starts_at <= report.last_day::timestamp at time zone 'UTC') as weeks_sealed
from report where id = %(id)s and kind = 'seal'

-- name: lock_week
-- Of two workers, one at a time seals or opens a week.
select pg_try_advisory_xact_lock(hashtextextended('uptill.seal.' || %(monday)s::timestamptz, 0))

-- name: other_release
-- Services of a release that does not know sealed weeks, by the names of their sessions.
select distinct split_part(application_name, ' ', 1) from pg_stat_activity
where datname = current_database() and application_name ~ '^uptill-.* tzdata=' and application_name !~ ' sealed=1'
order by 1

-- name: note_object
insert into sealed_object (object, starts_at) values (%(object)s, %(monday)s)

-- name: every_store
select store_key, store_id from store order by store_id

-- name: count_week
-- For one partition in place of the table.
select count(*) from observation

-- name: week_polls
-- Some stores' polls as fixed-width records, unordered, of one partition in place of the table. Ledger numbers are whole
-- here; 0 is none.
select string_agg(
    int4send(store_key) || timestamptz_send(observed_at) || boolsend(is_active)
        || int8send(coalesce(full_seq(since_seq, %(head)s), 0)), ''::bytea)
from observation where store_key = any(%(store_keys)s::integer[])

-- name: head
select seq from ledger_head

-- name: forget_stores
delete from sealed_store where starts_at = %(monday)s

-- name: insert_stores
insert into sealed_store (store_key, starts_at, last_at, last_active, newest_seq)
select store_key, %(monday)s, 'epoch'::timestamptz + at_us * interval '1 microsecond', active, seq
from unnest(%(store_keys)s::integer[], %(at_us)s::bigint[], %(active)s::boolean[], %(seqs)s::bigint[])
    last (store_key, at_us, active, seq)

-- name: seal_lock_timeout
set local lock_timeout = '2s'

-- name: seal_week
select seal_week(%(monday)s, %(object)s, %(size_bytes)s, %(sha256)s, %(rows)s, %(pieces)s, %(seq)s)

-- name: begin_opening
select begin_opening_week(%(monday)s)

-- name: open_settings
select set_config('statement_timeout', '900s', true), set_config('maintenance_work_mem', '256MB', true)

-- name: index_week
select index_opening_week(%(monday)s)

-- name: open_week
select open_week(%(monday)s, %(object)s)

-- name: left_objects
-- Objects that no row has pointed to for a while. Restored databases and slow readers may still need younger ones.
select object from sealed_object
where left_at < clock_timestamp() - %(keep)s::interval
    and not exists (
        select from sealed_week where sealed_week.object = sealed_object.object and opened_at is null)
order by left_at limit %(limit)s

-- name: forget_object
delete from sealed_object where object = %(object)s

-- name: sealed_objects
select object as key, size_bytes, sha256 from sealed_week where opened_at is null order by starts_at
