-- What may be wrong with the stored data. Each query returns rows of name, number and first examples. `store_keys`: only
-- these stores; null: all.

-- name: intervals
-- Overlapping and short openings, in weekly, dated and special hours. Seconds since Monday 00:00, or since 00:00 of a special
-- date. What runs past Sunday comes again before Monday. Touching intervals are one opening.
with named as materialized (
    select store_key, 'week' as version, day_of_week, opens, closes from business_hours
    where %(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)
    union all
    select store_key, effective_from::text, intervals[i], intervals[i + 1], intervals[i + 2]
    from dated_hours, generate_series(1, cardinality(intervals) - 2, 3) i
    where until_seq is null and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
    union all
    select store_key, 'on ' || date, 0, intervals[i], intervals[i + 1]
    from special_hours, generate_series(1, cardinality(intervals) - 1, 2) i
    where until_seq is null and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
), day as (
    select store_key, version, day_of_week * 86400 + opens as opens,
        day_of_week * 86400 + case
            when closes in (86399, 86340) then 86400
            when closes <= opens then closes + 86400
            else closes
        end as closes
    from named
), week as (
    select store_key, version, opens, closes, true as is_row from day
    union all
    select store_key, version, opens - 604800, closes - 604800, false from day
    where closes >= 604800 and version not like 'on %%'
    union all
    -- The opening at the start of the week may continue the last one.
    select store_key, version, opens + 604800, closes + 604800, false from day where opens = 0 and version not like 'on %%'
), ordered as (
    select *, max(closes) over (partition by store_key, version order by opens, closes
        rows between unbounded preceding and 1 preceding) as latest
    from week
), numbered as (
    select *, count(*) filter (where latest is null or opens > latest) over (
        partition by store_key, version order by opens, closes) as span
    from ordered
), found as (
    select store_key, 'overlapping_hours' as name from ordered where is_row and opens < latest
    union
    select store_key, 'short_span' from numbered
    group by store_key, version, span
    having max(closes) - min(opens) < %(short_s)s and min(opens) >= 0 and max(closes) <= 604800
)
select name, count(*), (array_agg(store_id order by store_id))[:%(examples)s] from found join store using (store_key) group by name

-- name: damaged
-- Lengths that no import writes. Reports leave these stores out.
with found as (
    select store_key from dated_hours
    where until_seq is null and (cardinality(intervals) %% 3 <> 0 or array_position(intervals, null) is not null)
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
    union
    select store_key from special_hours
    where until_seq is null and (cardinality(intervals) %% 2 <> 0 or array_position(intervals, null) is not null)
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
)
select 'damaged_hours', count(*), (array_agg(store_id order by store_id))[:%(examples)s]
from found join store using (store_key) having count(*) > 0

-- name: zones
-- The zones in use, with their stores.
select timezone, count(*), (array_agg(store_id order by store_id))[:%(examples)s] from store
where %(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)
group by timezone

-- name: clock_changes
-- Stores whose hours begin or end in a stretch of local time that their zone skips or repeats: weekly hours in the coming
-- year, dated and special hours on the date itself. A skipped day counts for each special date.
with change as materialized (
    select * from unnest(%(zones)s::text[], %(days)s::date[], %(from_s)s::integer[], %(to_s)s::integer[], %(skipped)s::boolean[])
        as given (zone, day, from_s, to_s, is_skipped)
), chosen as (
    select store_key, store_id, coalesce(timezone, %(default_zone)s) as zone from store
    where %(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)
), found as (
    select store_key, store_id, 'clock_change' as name
    from change join chosen using (zone) join business_hours hours using (store_key)
    where day between %(today)s::date and %(today)s::date + 366 and (
        (day_of_week = extract(isodow from day) - 1
            and ((opens >= from_s and opens < to_s) or (closes > opens and closes > from_s and closes < to_s)))
        or (day_of_week = extract(isodow from day - 1) - 1 and closes <= opens and closes > from_s and closes < to_s))
    union
    select store_key, store_id, 'skipped_local_time'
    from change join chosen using (zone) join special_hours special using (store_key)
    left join generate_series(1, cardinality(intervals) - 1, 2) i on true
    where is_skipped and special.until_seq is null and (
        (special.date = day and (to_s - from_s >= 86400 or (intervals[i] >= from_s and intervals[i] < to_s)
            or (intervals[i + 1] > intervals[i] and intervals[i + 1] > from_s and intervals[i + 1] < to_s)))
        or (special.date = day - 1 and intervals[i + 1] <= intervals[i] and intervals[i + 1] > from_s and intervals[i + 1] < to_s))
)
select name, count(*), (array_agg(store_id order by store_id))[:%(examples)s] from found group by name

-- name: special_range
-- The first and last special date near today, whose zones must be looked at.
select min(date), max(date) from special_hours
where until_seq is null and date between %(first)s and %(last)s
    and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))

-- name: polls_after_closed
-- Of the lifetimes that ended last.
with ended as (
    select store_key, closed_at from lifetime
    where until_seq is null and closed_at is not null
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
    order by closed_at desc limit 10000
)
select 'polls_after_closed', count(*), (array_agg(store_id order by store_id))[:%(examples)s]
from ended join store using (store_key)
where exists (select from observation where observation.store_key = ended.store_key and observed_at > closed_at)
having count(*) > 0

-- name: long_closures
select 'long_closure', count(*), (array_agg(
    coalesce(store_id, case when closure.labels = '{}' then 'every store' else closure.labels::text end)
        || ' from ' || to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD') order by starts_at desc))[:%(examples)s]
from closure left join store using (store_key)
where until_seq is null and treatment <> 'ignore' and coalesce(ends_at - starts_at > %(long)s, true)
    and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
having count(*) > 0

-- name: silent_since_hours_changed
-- Stores whose latest dated hours are in force for more than a day, and which were polled before, but not since.
with changed as (
    select store_key, max(effective_from) as day from dated_hours
    where until_seq is null and effective_from < (select latest_observed_at::date from ledger_head) - 1
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
    group by store_key
)
select 'silent_since_hours_changed', count(*), (array_agg(store_id order by store_id))[:%(examples)s]
from changed join store using (store_key)
where first_polled_at < day and not exists (
    select from observation where observation.store_key = changed.store_key and observed_at >= day - 1)
having count(*) > 0

-- name: labels_of_no_store
with target as (
    select 'calendar ' || name as named, labels from calendar where until_seq is null
    union all
    select 'closure from ' || to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD'), labels from closure
    where until_seq is null and store_key = 0
)
select 'labels_of_no_store', count(*), (array_agg(named order by named))[:%(examples)s]
from target where labels <> '{}' and not exists (select from store where store.labels @> target.labels)
having count(*) > 0

-- name: closed_weekdays
-- By weekly hours without a date. A label that few stores have tells nothing.
with opened as materialized (
    select distinct store_key, day_of_week from business_hours
), labeled as materialized (
    select store_key, label.key as label, label.value from store, jsonb_each_text(labels) label
    where jsonb_typeof(labels) = 'object' and store_key in (select store_key from opened)
), size as (
    select label, value, count(*) as stores from labeled group by label, value having count(*) >= %(usual_stores)s
), usual as (
    select label, value, day_of_week from labeled join opened using (store_key) join size using (label, value)
    group by label, value, day_of_week, stores having count(*) >= %(usual_share)s * stores
), found as (
    select distinct store_key from labeled join usual using (label, value)
    where not exists (select from opened where opened.store_key = labeled.store_key and opened.day_of_week = usual.day_of_week)
)
select 'closed_weekday', count(*), (array_agg(store_id order by store_id))[:%(examples)s]
from found join store using (store_key) having count(*) > 0
