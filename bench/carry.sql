-- The policy `carry` over the windows last hour, day and week, for DuckDB; the variable as_of ends them.
-- Microseconds up and down a store; docs/explanation/accounting.md is what it follows.
with
day as (
  select unnest(generate_series((getvariable('as_of') - interval 10 day)::date::timestamp,
                                (getvariable('as_of') + interval 1 day)::date::timestamp, interval 1 day)) as midnight
),
whole as (  -- 23:59:59 and 23:59:00 mean 24:00; a close at or before the opening is on the next day
  select store_key, day_of_week, opens, case when closes in (86399, 86340) then 86400 else closes end as closes from hours
),
dated as (
  select store_key, timezone,
         midnight + to_seconds(opens) as opens,
         midnight + to_seconds(case when closes <= opens then closes + 86400 else closes end) as closes
  from whole join store using (store_key) join day on isodow(midnight) - 1 = day_of_week
),
utc as (
  select store_key, timezone(timezone, opens)::timestamp as opens, timezone(timezone, closes)::timestamp as closes
  from dated
  union all
  select store_key, getvariable('as_of') - interval 10 day, getvariable('as_of') from store
  where store_key not in (select store_key from hours)
),
marked as (
  select *, opens > coalesce(max(closes) over (partition by store_key order by opens
                                               rows between unbounded preceding and 1 preceding),
                             '-infinity'::timestamp) as begins_span
  from utc
),
numbered as (
  select *, sum(begins_span::int) over (partition by store_key order by opens rows unbounded preceding) as span_no
  from marked
),
span as (
  select store_key, min(opens) as opens, max(closes) as closes from numbered group by store_key, span_no
),
held as (
  select store_key, observed_at as begins, is_active,
         least(lead(observed_at, 1, getvariable('as_of')) over (partition by store_key order by observed_at),
               observed_at + interval 7 day) as ends
  from observation
  where observed_at between getvariable('as_of') - interval 14 day and getvariable('as_of')
),
piece as (
  select store_key, is_active, epoch_us(greatest(begins, opens)) as begins,
         epoch_us(least(ends, closes, getvariable('as_of'))) as ends
  from held join span using (store_key)
  where begins < closes and opens < ends
),
measured as (
  select store_key, is_active,
         greatest(0, ends - greatest(begins, epoch_us(getvariable('as_of')) - 3600000000)) as last_hour,
         greatest(0, ends - greatest(begins, epoch_us(getvariable('as_of')) - 86400000000)) as last_day,
         greatest(0, ends - greatest(begins, epoch_us(getvariable('as_of')) - 604800000000)) as last_week
  from piece where ends > begins
)
select store_id,
       coalesce(sum(last_hour) filter (is_active), 0) as uptime_last_hour,
       coalesce(sum(last_day) filter (is_active), 0) as uptime_last_day,
       coalesce(sum(last_week) filter (is_active), 0) as uptime_last_week,
       coalesce(sum(last_hour) filter (not is_active), 0) as downtime_last_hour,
       coalesce(sum(last_day) filter (not is_active), 0) as downtime_last_day,
       coalesce(sum(last_week) filter (not is_active), 0) as downtime_last_week
from store left join measured using (store_key)
group by store_id
order by store_id
