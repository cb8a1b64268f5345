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

-- name: read_in_parallel
-- The planner takes the groups for as many as the stores, and then reads with one process. Measured for a month of 36,780
-- stores by 20 groups: 0.4 s of processor time, which two processes share.
select set_config('parallel_setup_cost', '0', true), set_config('parallel_tuple_cost', '0', true)

-- name: sums
-- `groups` holds the number of each store's group by its key; 0: not chosen. An array is quicker than a join: 0.4 instead of
-- 0.7 s for a month of 36,780 stores. `store_keys` null: all of them.
select (%(groups)s::smallint[])[store_key] as group_no, local_date - date '1970-01-01', count(*),
    count(*) filter (where scheduled_us > 0), sum(excluded_us)::bigint, sum(open_us)::bigint, sum(up_us)::bigint,
    sum(down_us)::bigint, sum(outages)::bigint
from store_day
where policy = %(policy)s and local_date between %(first)s and %(last)s and local_date <> all(%(touched_dates)s::date[])
    and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
group by 1, 2

-- name: sums_by_store
select store_key, sum(up_us)::bigint, sum(down_us)::bigint
from store_day
where policy = %(policy)s and local_date between %(first)s and %(last)s and local_date <> all(%(touched_dates)s::date[])
    and (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s))
group by store_key

-- name: sums_of_cells_by_store
select store_key, sum(up_us)::bigint, sum(down_us)::bigint
from unnest(%(cell_keys)s::integer[], %(cell_dates)s::date[]) cell (store_key, local_date)
join store_day using (store_key, local_date)
where policy = %(policy)s and local_date between %(first)s and %(last)s
group by store_key

-- name: sums_of_cells
-- Of the facts of some stores on some dates, the columns of `sums`.
select (%(groups)s::smallint[])[store_key] as group_no, local_date - date '1970-01-01', count(*),
    count(*) filter (where scheduled_us > 0), sum(excluded_us)::bigint, sum(open_us)::bigint, sum(up_us)::bigint,
    sum(down_us)::bigint, sum(outages)::bigint
from unnest(%(cell_keys)s::integer[], %(cell_dates)s::date[]) cell (store_key, local_date)
join store_day using (store_key, local_date)
where policy = %(policy)s and local_date between %(first)s and %(last)s
group by 1, 2
