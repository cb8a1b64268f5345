-- Sums of daily facts by group of stores and local date.

-- name: groups
-- The chosen stores by group, with their keys as packed integers. A store that was never polled has no facts.
select case %(by)s when 'label' then labels ->> %(label)s when 'zone' then coalesce(timezone, %(default_zone)s)
        when 'store' then store_id end as name,
    string_agg(int4send(store_key), ''::bytea)
from store
where polled_since_seq is not null
  and (%(ids)s::text[] is null or store_id = any(%(ids)s))
  and (%(labels)s::jsonb is null or labels @> %(labels)s::jsonb)
  and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb)
group by name
order by name nulls last

-- name: newest_poll
select latest_observed_at from ledger_head

-- name: unpacked_months
-- The first and last dates of the months whose facts are not in `packed_day` as they are.
select month, (month + interval '1 month' - interval '1 day')::date from facts_month
where policy = %(policy)s and month between date_trunc('month', %(first)s::date)::date and %(last)s
    and packed_version is distinct from version

-- name: packed_days
select local_date - date '1970-01-01', records from packed_day
where policy = %(policy)s and local_date between %(first)s and %(last)s
    and local_date - date '1970-01-01' <> all(%(touched)s)
    and date_trunc('month', local_date)::date <> all(%(unpacked)s::date[])

-- name: pack
-- The same from the source: a row per date, or per month for few stores. `store_keys` null: all of them. The days are those of
-- the records, in the same order.
select string_agg(int4send(local_date - date '1970-01-01'), ''::bytea),
    string_agg(fact_record(store_key, 1::smallint, excluded_us, open_us, up_us, down_us, outages), ''::bytea)
from store_day
where policy = %(policy)s and local_date between %(first)s and %(last)s
    and local_date - date '1970-01-01' <> all(%(touched)s)
    and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
group by case when %(by_month)s then date_trunc('month', local_date) else local_date end
