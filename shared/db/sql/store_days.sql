-- Daily facts, and what has changed since they were computed.

-- name: list_jobs
-- Ids grow with the time of creation.
select id, state, policy, first_day, last_day, as_of, created_at, started_at, finished_at, error,
    (select coalesce(sum(stores), 0)::bigint from report_batch where report_id = report.id) as stores_total,
    (select coalesce(sum(stores), 0)::bigint from report_batch where report_id = report.id and state = 'done') as stores_done,
    (select coalesce(sum(failed_stores), 0)::bigint from report_batch where report_id = report.id) as stores_failed
from report
where kind = 'facts' and (%(before_id)s::uuid is null or id < %(before_id)s)
    and (%(state)s::text is null or state = %(state)s) and (%(policy)s::text is null or policy = %(policy)s)
order by id desc
limit %(limit)s

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

-- name: mark_groups
-- Marks that are alike, with the keys of their stores as packed integers. Null: of every store.
select seq, last_day, policy_version, tzdata_version, string_agg(int4send(store_key), ''::bytea) from store_day_mark
where policy = %(policy)s and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
group by seq, last_day, policy_version, tzdata_version

-- name: do_facts_reach
-- Whether nine of ten stores have facts up to a date.
select (select count(*) from store_day_mark where policy = %(policy)s and last_day >= %(day)s) * 10
    >= (select count(*) from store where polled_since_seq is not null) * 9

-- name: lock_marks
-- In the order of the stores, as packed integers.
with locked as materialized (
    select store_key, seq from store_day_mark where policy = %(policy)s and store_key = any(%(store_keys)s)
    order by store_key for update)
select string_agg(int4send(store_key) || int8send(seq), ''::bytea order by store_key) from locked

-- name: days
-- One value of fixed-width records. Dates are days since 1970. Null: no bound.
select string_agg(int4send(store_key) || int4send(local_date - date '1970-01-01'), ''::bytea) from store_day
where policy = %(policy)s and store_key = any(%(store_keys)s)
    and local_date >= coalesce(%(first_day)s::date, '-infinity') and local_date <= coalesce(%(last_day)s::date, 'infinity')

-- name: dates
-- Which dates have facts, by the sums of the months from that of one date to that of another: the first day of the month since
-- 1970, a bit per date, and the stores that have these dates, as packed integers.
select month - date '1970-01-01', dates, string_agg(int4send(store_key), ''::bytea) from store_month
where policy = %(policy)s and store_key = any(%(store_keys)s)
    and month >= date_trunc('month', %(first_day)s::date) and month <= %(last_day)s::date
group by month, dates

-- name: sums
-- Of the days of some stores: months to take whole, from `month_from` up to but not including `month_until`, and two ranges
-- of days to add (sign 1) or to take away (-1). All are days since 1970. Read from the indexes of the partitions alone.
select store_key, sum(days)::bigint, sum(excluded_us)::bigint, sum(open_us)::bigint, sum(up_us)::bigint,
    sum(down_us)::bigint, sum(unknown_us)::bigint
from (
    select store_key, days, excluded_us, open_us, up_us, down_us, unknown_us
    from store_month
    where policy = %(policy)s and store_key = any(%(store_keys)s)
        and month >= date '1970-01-01' + %(month_from)s::integer and month < date '1970-01-01' + %(month_until)s::integer
    union all
    select store_key, %(head_sign)s, %(head_sign)s * excluded_us, %(head_sign)s * open_us, %(head_sign)s * up_us,
        %(head_sign)s * down_us, %(head_sign)s * unknown_us
    from store_day
    where policy = %(policy)s and store_key = any(%(store_keys)s)
        and local_date >= date '1970-01-01' + %(head_from)s::integer
        and local_date < date '1970-01-01' + %(head_until)s::integer
    union all
    select store_key, %(tail_sign)s, %(tail_sign)s * excluded_us, %(tail_sign)s * open_us, %(tail_sign)s * up_us,
        %(tail_sign)s * down_us, %(tail_sign)s * unknown_us
    from store_day
    where policy = %(policy)s and store_key = any(%(store_keys)s)
        and local_date >= date '1970-01-01' + %(tail_from)s::integer
        and local_date < date '1970-01-01' + %(tail_until)s::integer
) parts
group by store_key

-- name: readable_from
-- Marks with an older number are not checked: the ledger has forgotten changes, a writer did not keep what it replaced, or
-- the changes since are too many to look through: it is quicker to compute the days again.
select greatest(forgotten_seq, history_from_seq, seq - %(most_changes)s) from ledger_head

-- name: polls_from
-- Where the polls begin that retention has left, in days since 1970; null: it has dropped none.
select (max(starts_at) at time zone 'UTC')::date + 7 - date '1970-01-01' from dropped_week

-- name: changed_polls_ranges
-- Between which instants from `since` up to `until` polls have changed after `seq`: few ranges, two days apart or more, so that a
-- late poll does not make all polls up to the newest be looked through. `since` null: no bound. A dropped week changes no fact.
select lower(stretch) + interval '1 day', upper(stretch) - interval '1 day'
from (
    select range_agg(tstzrange(greatest(min_at, %(since)s) - interval '1 day', least(max_at, %(until)s) + interval '1 day',
        '[]')) as stretches
    from import_chunk join import on import.id = import_id
    where commit_seq > %(seq)s and kind = 'polls' and min_at <= %(until)s
        and max_at >= coalesce(%(since)s::timestamptz, '-infinity') and coalesce(%(since)s <= %(until)s, true)
        and not exists (select from dropped_week where dropped_week.seq = commit_seq)
) changed, unnest(stretches) stretch

-- name: changed_polls
-- Of a sealed week only the newest change of each store is known: then any of its polls may have changed.
select store_key, min(first_at), max(last_at)
from (
    select store_key, min(observed_at) as first_at, max(observed_at) as last_at
    from observation
    where store_key = any(%(store_keys)s) and observed_at between %(from_time)s and %(to_time)s
        and full_seq(since_seq, (select seq from ledger_head)) > %(seq)s
    group by store_key
    union all
    select store_key, greatest(starts_at, %(from_time)s), least(last_at, %(to_time)s)
    from sealed_store
    where store_key = any(%(store_keys)s) and newest_seq > %(seq)s
        and starts_at <= %(to_time)s and last_at >= %(from_time)s
    union all
    select store_key, min(observed_at), max(observed_at) from poll_note
    where store_key = any(%(store_keys)s) and observed_at between %(from_time)s and %(to_time)s and since_seq > %(seq)s
    group by store_key
) changed
group by store_key

-- name: have_terms_changed
-- Whether anything but polls changed after `seq`, or may have.
select exists (
        select from import_chunk join import on import.id = import_id
        where commit_seq > %(seq)s and kind is distinct from 'polls')
    or cardinality(not_yet_effective(%(seq)s)) > 0

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

-- name: delete_day
delete from store_day
where policy = %(policy)s and store_key = any(%(store_keys)s) and local_date = date '1970-01-01' + %(day)s::integer
returning store_key, local_date - date '1970-01-01', scheduled_us, excluded_us, open_us, up_us, down_us, unknown_us,
    up_min_us, up_max_us, polls, outages

-- name: forget_months
-- Of stores whose sums are made again.
with gone as (delete from store_month where policy = %(policy)s and store_key = any(%(store_keys)s) returning *)
select store_key, month - date '1970-01-01', dates, days, scheduled_us, excluded_us, open_us, up_us, down_us, unknown_us,
    up_min_us, up_max_us, polls, outages
from gone where days > 0

-- name: facts_of
-- What the sums of stores are made from.
select store_key, local_date - date '1970-01-01', scheduled_us, excluded_us, open_us, up_us, down_us, unknown_us,
    up_min_us, up_max_us, polls, outages
from store_day where policy = %(policy)s and store_key = any(%(store_keys)s)

-- name: change_months
-- Add changes to the sums of months. `dates` are those that the change adds or takes away. The bounds repeat what the arrays
-- say: so the rows are found in one pass over the index. In the select list, `unnest` takes half as long as in `from`, where
-- each array fills a table of its own.
merge into store_month
using (
    select unnest(%(store_key)s::integer[]) as store_key, unnest(%(month)s::integer[]) as month,
        unnest(%(dates)s::integer[]) as dates, unnest(%(days)s::integer[]) as days,
        unnest(%(scheduled_us)s::bigint[]) as scheduled_us, unnest(%(excluded_us)s::bigint[]) as excluded_us,
        unnest(%(open_us)s::bigint[]) as open_us, unnest(%(up_us)s::bigint[]) as up_us,
        unnest(%(down_us)s::bigint[]) as down_us, unnest(%(unknown_us)s::bigint[]) as unknown_us,
        unnest(%(up_min_us)s::bigint[]) as up_min_us, unnest(%(up_max_us)s::bigint[]) as up_max_us,
        unnest(%(polls)s::integer[]) as polls, unnest(%(outages)s::integer[]) as outages) change
on policy = %(policy)s and store_month.store_key = any(%(store_key)s) and store_month.store_key = change.store_key
    and store_month.month = any(%(months)s) and store_month.month = date '1970-01-01' + change.month
when matched then update set
    dates = store_month.dates # change.dates,
    days = store_month.days + change.days,
    scheduled_us = store_month.scheduled_us + change.scheduled_us,
    excluded_us = store_month.excluded_us + change.excluded_us,
    open_us = store_month.open_us + change.open_us,
    up_us = store_month.up_us + change.up_us,
    down_us = store_month.down_us + change.down_us,
    unknown_us = store_month.unknown_us + change.unknown_us,
    up_min_us = store_month.up_min_us + change.up_min_us,
    up_max_us = store_month.up_max_us + change.up_max_us,
    polls = store_month.polls + change.polls,
    outages = store_month.outages + change.outages
when not matched then insert (policy, store_key, month, dates, days, scheduled_us, excluded_us, open_us, up_us, down_us,
    unknown_us, up_min_us, up_max_us, polls, outages)
values (%(policy)s, change.store_key, date '1970-01-01' + change.month, change.dates, change.days, change.scheduled_us,
    change.excluded_us, change.open_us, change.up_us, change.down_us, change.unknown_us, change.up_min_us, change.up_max_us,
    change.polls, change.outages)

-- name: forget_marks
delete from store_day_mark where policy = %(policy)s and store_key = any(%(store_keys)s)

-- name: move_marks
-- Marks that were seen with one number and get one last day: a batch has few such groups.
update store_day_mark
set seq = %(seq)s, last_day = greatest(last_day, case when %(last_day)s >= 0 then date '1970-01-01' + %(last_day)s::integer end),
    policy_version = %(policy_version)s, tzdata_version = %(tzdata_version)s
where policy = %(policy)s and store_key = any(%(store_keys)s) and seq = %(seen)s

-- name: set_marks
-- Of stores that had none.
insert into store_day_mark (policy, store_key, seq, last_day, policy_version, tzdata_version)
select %(policy)s, store_key, %(seq)s, case when last_day >= 0 then date '1970-01-01' + last_day end, %(policy_version)s,
    %(tzdata_version)s
from unnest(%(store_keys)s::integer[], %(last_days)s::integer[]) given (store_key, last_day)
on conflict (policy, store_key) do nothing

-- name: pack
insert into packed_day (policy, local_date, records)
values (%(policy)s, date '1970-01-01' + %(day)s::integer, %(records)s)

-- name: crowded_days
-- Dates with many small rows. Their average is that of a hundred stores.
select distinct date_trunc('month', local_date)::date - date '1970-01-01' from packed_day
where policy = %(policy)s and local_date >= date '1970-01-01' + %(first)s::integer
    and local_date <= date '1970-01-01' + %(last)s::integer
group by local_date
having count(*) > 64 and avg(length(records)) < 3000

-- name: unpack_month
delete from packed_day
where policy = %(policy)s and local_date >= date '1970-01-01' + %(month)s::integer
    and local_date < (date '1970-01-01' + %(month)s::integer + interval '1 month')::date

-- name: pack_month
-- Made from the source. The stores of a row are so few that it is read and kept in memory as a whole.
insert into packed_day (policy, local_date, records)
select policy, local_date,
    string_agg(fact_record(store_key, 1::smallint, excluded_us, open_us, up_us, down_us, outages), ''::bytea)
from store_day
where policy = %(policy)s and local_date >= date '1970-01-01' + %(month)s::integer
    and local_date < (date '1970-01-01' + %(month)s::integer + interval '1 month')::date
group by policy, local_date, store_key >> 14

-- name: set_packed
update facts_month set packed_version = version where policy = %(policy)s and month = date '1970-01-01' + %(month)s::integer
