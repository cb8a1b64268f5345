-- Insights: the hours of stores, the job that keeps them, and what it concludes.

-- name: nightly_due
-- Whether no run of today (UTC) was accepted by the scheduler yet, and there are stores.
select not exists (
    select from report where kind = 'insights' and created_by is null
        and created_at >= date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC')
    and exists (select from store where polled_since_seq is not null)
    and clock_timestamp() at time zone 'UTC' >= date_trunc('day', clock_timestamp() at time zone 'UTC') + %(after)s

-- name: nightly_lock
-- Of two schedulers, one at a time.
select pg_advisory_xact_lock(hashtextextended('uptill.insights', 0))

-- name: hours
select store_key, last_day, seq, made_by, minutes from store_hours where store_key = any(%(store_keys)s)

-- name: lock_hours
select store_key, seq from store_hours where store_key = any(%(store_keys)s) order by store_key for update

-- name: set_hours
insert into store_hours (store_key, last_day, seq, made_by, minutes, coming)
select store_key, %(last_day)s, %(seq)s, %(made_by)s, minutes, coming
from unnest(%(store_keys)s::integer[], %(minutes)s::bytea[], %(coming)s::bytea[]) given (store_key, minutes, coming)
on conflict (store_key) do update
set last_day = excluded.last_day, seq = excluded.seq, made_by = excluded.made_by, minutes = excluded.minutes,
    coming = excluded.coming

-- name: forget_hours
-- Without hours, a store has no risk either.
with risk as (delete from store_risk where store_key = any(%(store_keys)s))
delete from store_hours where store_key = any(%(store_keys)s)

-- name: group_labels
-- The labels whose values form groups: a label that names each store, or that nearly all stores share, tells nothing.
select name
from (
    select name, value, count(*) as stores
    from store_hours join store using (store_key)
    cross join jsonb_each(case jsonb_typeof(labels) when 'object' then labels else '{}' end) as given (name, value)
    where last_day = %(last_day)s
    group by name, value
) counted
group by name
having sum(stores) >= %(least_stores)s * count(*)
    and max(stores) <= %(largest_share)s::float8 * (select count(*) from store_hours where last_day = %(last_day)s)
order by name collate "C"

-- name: fleet_labels
-- In the order of `fleet`.
select store_key, labels
from store_hours join store using (store_key)
where last_day = %(last_day)s and store_key > %(after_key)s
order by store_key
limit %(limit)s

-- name: fleet
select store_key, minutes, coming, coalesce(timezone, 'America/Chicago')
from store_hours join store using (store_key)
where last_day = %(last_day)s and store_key > %(after_key)s
order by store_key
limit %(limit)s

-- name: forget_skill
delete from insight_skill

-- name: insert_skill
insert into insight_skill (method, run_id, as_of, is_on, reason, hours, scores)
select %(method)s, id, as_of, %(is_on)s, %(reason)s, %(hours)s, %(scores)s from report where id = %(run_id)s

-- name: drop_risk_spool
drop table if exists pg_temp.risk_spool

-- name: create_risk_spool
-- The risks of a run until they are committed, so that neither memory nor a long transaction holds them.
create temporary table risk_spool as
select store_key, rates, last_down, last_rate, group_rate, store_rate, expected_hours, driver from store_risk with no data

-- name: spool_risk
insert into pg_temp.risk_spool
select store_key, rates, last_down, last_rate, group_rate, store_rate, expected_hours, driver
from unnest(%(store_keys)s::integer[], %(rates)s::bytea[], %(last_down)s::real[], %(last_rate)s::real[],
        %(group_rate)s::real[], %(store_rate)s::real[], %(expected_hours)s::real[], %(driver)s::text[])
    given (store_key, rates, last_down, last_rate, group_rate, store_rate, expected_hours, driver)

-- name: forget_risk
delete from store_risk

-- name: insert_risk
insert into store_risk (store_key, run_id, rates, last_down, last_rate, group_rate, store_rate, expected_hours, driver)
select store_key, %(run_id)s, rates, last_down, last_rate, group_rate, store_rate, expected_hours, driver
from pg_temp.risk_spool order by store_key

-- name: forget_findings
delete from insight_finding

-- name: insert_findings
insert into insight_finding (run_id, kind, place, store_key, label_name, label_value, sentence, evidence)
select %(run_id)s, kind, place, store_key, label_name, label_value, sentence, evidence
from unnest(%(kinds)s::text[], %(places)s::integer[], %(store_keys)s::integer[], %(label_names)s::text[],
        %(label_values)s::text[], %(sentences)s::text[], %(evidences)s::jsonb[])
    given (kind, place, store_key, label_name, label_value, sentence, evidence)

-- name: forget_outage_rates
delete from outage_rate

-- name: insert_outage_rates
insert into outage_rate (label_name, label_value, per_hour)
select * from unnest(%(label_names)s::text[], %(label_values)s::text[], %(rates)s::real[])

-- name: skill
select method, run_id, as_of, is_on, reason, hours, scores from insight_skill
order by length(method), method

-- name: list_findings
-- `scope`: the labels to which the caller is limited; null: no limit. A finding about a label is shown if the caller may see
-- all stores, or is limited to that label.
select f.place, s.store_id, s.display_name as name, f.label_name, f.label_value, f.sentence, f.evidence
from insight_finding f left join store s using (store_key)
where f.kind = %(kind)s and f.place > %(after_place)s
  and (%(scope)s::jsonb is null or coalesce(s.labels @> %(scope)s::jsonb,
      jsonb_build_object(f.label_name, f.label_value) @> %(scope)s::jsonb))
  and (%(labels)s::jsonb is null or coalesce(s.labels @> %(labels)s::jsonb,
      jsonb_build_object(f.label_name, f.label_value) @> %(labels)s::jsonb))
  and (%(store_id)s::text is null or s.store_id = %(store_id)s)
order by f.place
limit %(limit)s

-- name: list_risk
-- The most expected down hours first. What live state says of the last poll replaces what the run knew of it. The wide rows
-- are read for the stores of the page only.
select ranked.store_id, ranked.name, coalesce(ranked.timezone, 'America/Chicago') as timezone, ranked.labels, ranked.place, r.rates,
    h.last_day, h.coming, ranked.last_down, r.last_rate, r.group_rate, r.store_rate, r.driver
from (
    select * from (
        select store_key, s.store_id, s.display_name as name, s.timezone, s.labels, live.down as last_down,
            (1000000 * (r.expected_hours + %(memory)s * (live.down - r.last_rate)))::bigint as place
        from store_risk r
        join store s using (store_key)
        left join store_now n using (store_key)
        cross join lateral (
            select case n.state when 'up' then 0 when 'down' then 1 else r.last_down end as down) live
        where (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
          and (%(labels)s::jsonb is null or s.labels @> %(labels)s::jsonb)
          and (%(store_id)s::text is null or s.store_id = %(store_id)s)
    ) placed
    where %(before_place)s::bigint is null or (place, store_id) < (%(before_place)s::bigint, %(before_id)s::text)
    order by place desc, store_id desc
    limit %(limit)s
) ranked
join store_risk r using (store_key)
join store_hours h using (store_key)
order by place desc, store_id desc

-- name: risk_of
-- Of some stores, in no order. `place` is not used.
select s.store_id, s.display_name as name, coalesce(s.timezone, 'America/Chicago') as timezone, s.labels, 0 as place, r.rates, h.last_day, h.coming,
    case n.state when 'up' then 0 when 'down' then 1 else r.last_down end as last_down,
    r.last_rate, r.group_rate, r.store_rate, r.driver
from store s
join store_risk r using (store_key)
join store_hours h using (store_key)
left join store_now n using (store_key)
where s.store_id = any(%(store_ids)s::text[])

-- name: last_day
select max(last_day) from store_hours

-- name: hours_version
-- The run that counted the hours, and the stores that are chosen: a changed label changes them, new polls do not.
select coalesce((select run_id::text from insight_skill limit 1), ''), concat_ws(' ', count(*), bit_xor(hashint4extended(store_key, 0)))
from store s
where (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
  and (%(labels)s::jsonb is null or s.labels @> %(labels)s::jsonb)

-- name: chosen_hours
-- In the order of keys. Hours that end more than a week before the others are of stores that can no longer be counted.
select store_key, minutes
from store_hours h join store s using (store_key)
where store_key > %(after_key)s and h.last_day > %(last_day)s::date - 7
  and (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
  and (%(labels)s::jsonb is null or s.labels @> %(labels)s::jsonb)
order by store_key
limit %(limit)s
