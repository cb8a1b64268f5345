-- Stores as callers see them. `scope`: the labels to which the caller is limited; null: no limit.

-- name: list_stores
select store.store_key, store.store_id, store.timezone, store.labels, store.first_polled_at,
       last.observed_at as last_polled_at, last.is_active
from store
left join lateral (
    select observed_at, is_active from observation
    where observation.store_key = store.store_key and observed_at >= store.first_polled_at
    order by observed_at desc limit 1
) last on store.first_polled_at is not null
where (%(store_id)s::text is null or store.store_id = %(store_id)s)
  and (%(after_id)s::text is null or store.store_id > %(after_id)s)
  and (%(text)s::text is null or position(lower(%(text)s) in lower(store.store_id)) > 0)
  and (%(labels)s::jsonb is null or store.labels @> %(labels)s::jsonb)
  and (%(scope)s::jsonb is null or store.labels @> %(scope)s::jsonb)
order by store.store_id
limit %(limit)s

-- name: hours_of_store
select day_of_week, opens, closes from business_hours where store_key = %(store_key)s order by 1, 2, 3

-- name: latest_poll
select latest_observed_at from ledger_head

-- name: count_polls
select count(*) from observation
where store_key = %(store_key)s and observed_at > %(after)s and observed_at <= %(until)s

-- name: polls_of_store
-- Instants in microseconds since 1970 and states, as two arrays. The limit is one more than the caller shows.
select coalesce(array_agg((extract(epoch from observed_at) * 1000000)::bigint), '{}'), coalesce(array_agg(is_active), '{}')
from (
    select observed_at, is_active from observation
    where store_key = %(store_key)s and observed_at between %(from_time)s and %(to_time)s
    order by observed_at limit %(limit)s
) found
