-- Daily facts, and what has changed since they were computed.

-- name: insert_job
insert into report (id, kind, first_day, last_day, as_of, policy, policy_version, windows, formats, data_cut, created_by,
    request_id, traceparent, tzdata_accepted)
values (%(id)s, 'facts', %(first_day)s, %(last_day)s, %(as_of)s, %(policy)s, %(policy_version)s, '{}', '{}', %(accepted_seq)s,
    %(created_by)s, %(request_id)s, %(traceparent)s, %(tzdata_version)s)

-- name: get_job
select id, state, policy, first_day, last_day, as_of, created_at, started_at, finished_at, error,
    (select coalesce(sum(stores), 0)::bigint from report_batch where report_id = report.id) as stores_total,
    (select coalesce(sum(stores), 0)::bigint from report_batch where report_id = report.id and state = 'done') as stores_done,
    (select coalesce(sum(failed_stores), 0)::bigint from report_batch where report_id = report.id) as stores_failed
from report where id = %(id)s and kind = 'facts'

-- name: cancel_job
update report set state = 'canceled', finished_at = clock_timestamp()
where id = %(id)s and kind = 'facts' and state in ('queued', 'running')

-- name: nightly_due
-- Whether no job of today (UTC) was accepted by the scheduler for this policy yet, and there are stores; and the date.
select not exists (
    select from report where kind = 'facts' and created_by is null and policy = %(policy)s
        and created_at >= date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC')
    and exists (select from store where polled_since_seq is not null)
    and clock_timestamp() at time zone 'UTC' >= date_trunc('day', clock_timestamp() at time zone 'UTC') + %(after)s,
    (clock_timestamp() at time zone 'UTC')::date

-- name: nightly_lock
-- Of two schedulers, one at a time.
select pg_advisory_xact_lock(hashtextextended('uptill.facts', 0))

-- name: marks
select store_key, seq, last_day, policy_version, tzdata_version from store_day_mark
where policy = %(policy)s and store_key = any(%(store_keys)s)

-- name: mark_groups
-- Marks that are alike, with the keys of their stores as packed integers. Null: of every store.
select seq, last_day, policy_version, tzdata_version, string_agg(int4send(store_key), ''::bytea) from store_day_mark
where policy = %(policy)s and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
group by seq, last_day, policy_version, tzdata_version

-- name: lock_marks
select store_key, seq from store_day_mark where policy = %(policy)s and store_key = any(%(store_keys)s)
order by store_key for update

-- name: days
-- Dates are days since 1970. Null: no bound.
select store_key, local_date - date '1970-01-01' from store_day
where policy = %(policy)s and store_key = any(%(store_keys)s)
    and local_date >= coalesce(%(first_day)s::date, '-infinity') and local_date <= coalesce(%(last_day)s::date, 'infinity')

-- name: sums
-- Of some days of stores, from `first` up to but not including `until`, by the place of each in the question.
select place - 1, count(*), coalesce(sum(excluded_us), 0)::bigint, coalesce(sum(open_us), 0)::bigint,
    coalesce(sum(up_us), 0)::bigint, coalesce(sum(down_us), 0)::bigint, coalesce(sum(unknown_us), 0)::bigint
from unnest(%(store_keys)s::integer[], %(first)s::date[], %(until)s::date[])
    with ordinality asked (store_key, first, until, place)
join store_day on store_day.store_key = asked.store_key and local_date >= first and local_date < until
where policy = %(policy)s and local_date between %(first_day)s and %(last_day)s
group by place

-- name: readable_from
-- Marks with an older number are not checked: the ledger has forgotten changes, a writer did not keep what it replaced, or
-- the changes since are too many to look through: it is quicker to compute the days again.
select greatest(forgotten_seq, history_from_seq, seq - %(most_changes)s) from ledger_head

-- name: dropped_weeks
-- Days since 1970.
select starts_at::date - date '1970-01-01' from dropped_week order by 1

-- name: changed_kinds
-- What the ledger says about changes after `seq`: whether any is not of polls, and between which instants from `since` up to
-- `until` polls have changed. A dropped week changes no fact.
select coalesce(bool_or(kind <> 'polls'), false),
    min(greatest(min_at, %(since)s::timestamptz)) filter (where matters), max(least(max_at, %(until)s)) filter (where matters)
from import_chunk join import on import.id = import_id, lateral (
    select kind = 'polls' and min_at <= %(until)s and max_at >= coalesce(%(since)s::timestamptz, '-infinity')
        and not exists (select from dropped_week where dropped_week.seq = commit_seq)) polls (matters)
where commit_seq > %(seq)s

-- name: changed_polls
select store_key, min(observed_at), max(observed_at)
from observation
where store_key = any(%(store_keys)s) and observed_at between %(from_time)s and %(to_time)s
    and full_seq(since_seq, (select seq from ledger_head)) > %(seq)s
group by store_key

-- name: changed_terms
-- Stores whose hours, zone or adjustments changed after `seq`, and between which instants that matters. Null: no bound. The
-- store key 0 stands for every store. Rows of large changes have early numbers, which may be at most `seq` while their
-- change counts later (migration 0027). Labels and calendars have none: only calls change them.
with early as materialized (select not_yet_effective(%(seq)s) as numbers)
select store_key, null::timestamptz, null::timestamptz
from business_hours, early where store_key = any(%(store_keys)s) and counts_after(since_seq, %(seq)s, numbers)
union
select store_key, null, null
from superseded_hours, early where store_key = any(%(store_keys)s) and counts_after(until_seq, %(seq)s, numbers)
union
select store_key, null, null
from store, early where store_key = any(%(store_keys)s) and counts_after(timezone_since_seq, %(seq)s, numbers)
union
select store_key, null, null from store
where store_key = any(%(store_keys)s) and labels_since_seq > %(seq)s and (select adjusted_seq from ledger_head) > 0
union
select store_key, null, null from dated_hours, early
where store_key = any(%(store_keys)s)
    and (counts_after(since_seq, %(seq)s, numbers) or counts_after(until_seq, %(seq)s, numbers))
union
select store_key, null, null from lifetime, early
where store_key = any(%(store_keys)s)
    and (counts_after(since_seq, %(seq)s, numbers) or counts_after(until_seq, %(seq)s, numbers))
union
select store_key, date::timestamp at time zone 'UTC' - interval '1 day', date::timestamp at time zone 'UTC' + interval '4 days'
from special_hours, early
where store_key = any(%(store_keys)s)
    and (counts_after(since_seq, %(seq)s, numbers) or counts_after(until_seq, %(seq)s, numbers))
union
select store_key, starts_at, ends_at from closure, early
where (store_key = 0 or store_key = any(%(store_keys)s)) and treatment <> 'ignore'
    and (counts_after(since_seq, %(seq)s, numbers) or counts_after(until_seq, %(seq)s, numbers))
union
select 0, null, null from calendar where since_seq > %(seq)s or until_seq > %(seq)s

-- name: make_partitions
select ensure_store_day_partition(month::date)
from generate_series(date_trunc('month', %(first_day)s::date), %(last_day)s::date, interval '1 month') month

-- name: delete_days
delete from store_day
using unnest(%(store_keys)s::integer[], %(days)s::integer[]) gone (store_key, day)
where policy = %(policy)s and store_day.store_key = gone.store_key and local_date = date '1970-01-01' + gone.day
    and local_date between %(first_day)s and %(last_day)s

-- name: forget_marks
delete from store_day_mark where policy = %(policy)s and store_key = any(%(store_keys)s)

-- name: set_marks
insert into store_day_mark (policy, store_key, seq, last_day, policy_version, tzdata_version)
select %(policy)s, store_key, %(seq)s, last_day, %(policy_version)s, %(tzdata_version)s
from unnest(%(store_keys)s::integer[], %(last_days)s::date[]) given (store_key, last_day)
on conflict (policy, store_key) do update
set seq = excluded.seq, last_day = greatest(store_day_mark.last_day, excluded.last_day),
    policy_version = excluded.policy_version, tzdata_version = excluded.tzdata_version
