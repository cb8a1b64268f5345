-- What may be wrong with the stored data. Each query returns rows of name, number and first examples. `store_keys`: only
-- these stores; null: all but those `left_out`.

-- name: count_stores
select count(*) from store

-- name: keys_of_all
select string_agg(int4send(store_key), ''::bytea) from store

-- name: bounds_of_hours
select min(store_key), max(store_key) from business_hours

-- name: week_rows
-- Fixed-width records of the stores from one key to another, in any order: the store, the day, and the seconds of the day.
-- Measured: to sort them here takes twice the time.
select string_agg(int4send(store_key) || int2send(day_of_week) || int4send(opens) || int4send(closes), ''::bytea)
from business_hours where store_key between %(first)s and %(last)s

-- name: week_rows_of
-- The same of some stores, whose keys are given in order. Each by index: without statistics the planner would read all rows.
select string_agg(int4send(store_key) || int2send(day_of_week) || int4send(opens) || int4send(closes), ''::bytea)
from unnest(%(store_keys)s::integer[]) given (wanted_key), lateral (
    select store_key, day_of_week, opens, closes from business_hours where store_key = wanted_key
    order by store_key, day_of_week, opens, closes offset 0) sorted

-- name: intervals
-- Overlapping and short openings, in dated and special hours, and in the weekly hours of `doubtful` stores. Seconds since Monday 00:00, or since 00:00 of a special
-- date. What runs past Sunday comes again before Monday. Touching intervals are one opening. `version`: 0 for hours without a
-- date, positive for dated hours, negative for special hours; numbers sort five times as fast as texts.
with named as (
    select store_key, 0 as version, day_of_week::integer, opens, closes from business_hours
    where store_key = any(%(doubtful)s::integer[])
    union all
    select store_key, effective_from - date '1900-01-01', intervals[i], intervals[i + 1], intervals[i + 2]
    from dated_hours, generate_series(1, cardinality(intervals) - 2, 3) i
    where until_seq is null and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
    union all
    select store_key, date '1900-01-01' - date, 0, intervals[i], intervals[i + 1]
    from special_hours, generate_series(1, cardinality(intervals) - 1, 2) i
    where until_seq is null and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
), day as materialized (
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
    select store_key, version, opens - 604800, closes - 604800, false from day where closes >= 604800 and version >= 0
), ordered as (
    select store_key, is_row, opens, max(closes) over (partition by store_key, version order by opens, closes
        rows between unbounded preceding and 1 preceding) as latest
    from week
), short as materialized (
    select distinct store_key, version from day where closes - opens < %(short_s)s
), near_short as (
    select store_key, version, opens, closes from short join week using (store_key, version)
    union all
    -- The opening at the start of the week may continue the last one.
    select store_key, version, opens + 604800, closes + 604800 from short join day using (store_key, version)
    where opens = 0 and version >= 0
), joined as (
    select *, max(closes) over (partition by store_key, version order by opens, closes
        rows between unbounded preceding and 1 preceding) as latest
    from near_short
), numbered as (
    select *, count(*) filter (where latest is null or opens > latest) over (
        partition by store_key, version order by opens, closes) as span
    from joined
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
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
    union
    select store_key from special_hours
    where until_seq is null and (cardinality(intervals) %% 2 <> 0 or array_position(intervals, null) is not null)
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
)
select 'damaged_hours', count(*), (array_agg(store_id order by store_id))[:%(examples)s]
from found join store using (store_key) having count(*) > 0

-- name: zones
-- The zones in use.
select distinct timezone from store where (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)

-- name: stores_of_zones
-- How many stores are in each of the zones, and the first ones.
select timezone, count(*), (array_agg(store_id order by store_id))[:%(examples)s] from store
where timezone = any(%(zones)s) and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
group by timezone order by timezone

-- name: clock_changes
-- Stores whose hours begin or end in a stretch of local time that their zone skips or repeats: weekly hours in the coming
-- year, dated and special hours on the date itself. A skipped day counts for each special date.
with change as materialized (
    select * from unnest(%(zones)s::text[], %(days)s::date[], %(from_s)s::integer[], %(to_s)s::integer[], %(skipped)s::boolean[])
        as given (zone, day, from_s, to_s, is_skipped)
), chosen as (
    select store_key, store_id, coalesce(timezone, %(default_zone)s) as zone from store
    where (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
), soon as materialized (
    select * from change where day between %(today)s::date and %(today)s::date + 366
), night as materialized (
    -- Few hours begin or end when clocks change.
    select * from business_hours
    where (opens between (select min(from_s) from soon) and (select max(to_s) from soon)
            or closes between (select min(from_s) from soon) and (select max(to_s) from soon))
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
), special as materialized (
    select store_key, date, intervals from special_hours
    where until_seq is null and date = any (array(select day from change union select day - 1 from change))
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
), found as (
    select store_key, store_id, 'clock_change' as name
    from soon join chosen using (zone) join night hours using (store_key)
    where (
        (day_of_week = extract(isodow from day) - 1
            and ((opens >= from_s and opens < to_s) or (closes > opens and closes > from_s and closes < to_s)))
        or (day_of_week = extract(isodow from day - 1) - 1 and closes <= opens and closes > from_s and closes < to_s))
    union
    select special.store_key, store_id, 'skipped_local_time'
    from change join chosen using (zone) join special on special.store_key = chosen.store_key
        and special.date in (day, day - 1)
    left join generate_series(1, cardinality(intervals) - 1, 2) i on true
    where is_skipped and (
        (special.date = day and (to_s - from_s >= 86400 or (intervals[i] >= from_s and intervals[i] < to_s)
            or (intervals[i + 1] > intervals[i] and intervals[i + 1] > from_s and intervals[i + 1] < to_s)))
        or (special.date = day - 1 and intervals[i + 1] <= intervals[i] and intervals[i + 1] > from_s and intervals[i + 1] < to_s))
)
select name, count(*), (array_agg(store_id order by store_id))[:%(examples)s] from found group by name

-- name: special_range
-- The first and last special date near today, whose zones must be looked at.
select min(date), max(date) from special_hours
where until_seq is null and date between %(first)s and %(last)s
    and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)

-- name: polls_after_closed
-- Of the lifetimes that ended last. Partitions are not searched while a large load has an unindexed week: each search would
-- read the whole week. The next look finds what this one leaves out.
with ended as (
    select store_key, closed_at from lifetime
    where until_seq is null and closed_at is not null
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
    order by closed_at desc limit 10000
)
select 'polls_after_closed', count(*), (array_agg(store_id order by store_id))[:%(examples)s]
from ended join store using (store_key)
where (not (select has_unindexed_week('-infinity', 'infinity'))
        and exists (select from observation where observation.store_key = ended.store_key and observed_at > closed_at))
    or exists (select from sealed_store where sealed_store.store_key = ended.store_key and last_at > closed_at)
having count(*) > 0

-- name: long_closures
select 'long_closure', count(*), (array_agg(
    coalesce(store_id, case when closure.labels = '{}' then 'every store' else closure.labels::text end)
        || ' from ' || to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD') order by starts_at desc))[:%(examples)s]
from closure left join store using (store_key)
where until_seq is null and treatment <> 'ignore' and coalesce(ends_at - starts_at > %(long)s, true)
    and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
having count(*) > 0

-- name: silent_since_hours_changed
-- Stores whose latest dated hours are in force for more than a day, and which were polled before, but not since.
with changed as (
    select store_key, max(effective_from) as day from dated_hours
    where until_seq is null and effective_from < (select latest_observed_at::date from ledger_head) - 1
        and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s)) and store_key <> all(%(left_out)s)
    group by store_key
)
select 'silent_since_hours_changed', count(*), (array_agg(store_id order by store_id))[:%(examples)s]
from changed join store using (store_key)
where first_polled_at < day and not exists (
    select from observation where observation.store_key = changed.store_key and observed_at >= day - 1)
    and not exists (
        select from sealed_store where sealed_store.store_key = changed.store_key and last_at >= day - 1)
having count(*) > 0

-- name: newest_poll
select latest_observed_at from ledger_head

-- name: polled_stores
-- Those with weekly hours, dated or not; of many, the same ones each time.
select store_key, store_id, timezone from store
where first_polled_at <= %(newest)s and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
    and store_key <> all(%(left_out)s)
    and (exists (select from business_hours own where own.store_key = store.store_key)
        or exists (select from dated_hours own
            where own.store_key = store.store_key and until_seq is null and intervals <> '{}'))
order by hashint4(store_key), store_key limit %(most)s

-- name: last_polls
-- The newest polls of each store, packed, by its place. None while another load has an unindexed week there: each of these searches
-- would read the whole week.
select string_agg(int4send(index::int - 1) || timestamptz_send(observed_at), ''::bytea)
from unnest(%(store_keys)s::integer[]) with ordinality wanted (store_key, index), lateral (
    select observed_at from observation
    where observation.store_key = wanted.store_key
        and observed_at > %(newest)s::timestamptz - %(back)s::interval and observed_at <= %(newest)s
    order by observed_at desc limit %(polls)s) poll
where not (select has_unindexed_week(%(newest)s::timestamptz - %(back)s::interval, %(newest)s))

-- name: labels_of_no_store
with target as (
    select 'calendar ' || name as named, labels from calendar where until_seq is null
    union all
    select 'closure from ' || to_char(starts_at at time zone 'UTC', 'YYYY-MM-DD'), labels from closure
    where until_seq is null and store_key = 0
    union all
    select 'alert rule ' || name, labels from alert_rule
    union all
    select 'service level ' || name, labels from service_level
)
select 'labels_of_no_store', count(*), (array_agg(named order by named))[:%(examples)s]
from target where labels <> '{}' and not exists (select from store where store.labels @> target.labels)
having count(*) > 0

-- name: closed_weekdays
-- By weekly hours without a date, of stores whose dated hours have not begun; one bit for each day of the week. A label that few
-- stores have tells nothing.
with opened as materialized (
    select store_key, bit_or(1 << day_of_week) as days from business_hours hours
    where not exists (select from dated_hours
        where dated_hours.store_key = hours.store_key and until_seq is null and effective_from <= current_date)
    group by store_key
), labeled as materialized (
    select store_key, days, label.key as label, label.value
    from store join opened using (store_key), jsonb_each_text(case when jsonb_typeof(labels) = 'object' then labels end) label
), usual as (
    select label, value, bit_or(case when open_stores >= %(usual_share)s * stores then 1 << day else 0 end) as days
    from (
        select label, value, day, count(*) as stores, count(*) filter (where days >> day & 1 = 1) as open_stores
        from labeled, generate_series(0, 6) day group by label, value, day having count(*) >= %(usual_stores)s
    ) counted
    group by label, value
), found as (
    select distinct store_key from labeled join usual using (label, value) where labeled.days & usual.days <> usual.days
)
select 'closed_weekday', count(*), (array_agg(store_id order by store_id))[:%(examples)s]
from found join store using (store_key) having count(*) > 0
