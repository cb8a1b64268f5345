-- What the outages of some stores are computed from. One value of records, as in load.sql.

-- name: stores
-- A store that was never polled has no row in a report, and no outages either.
select store_key, store_id, timezone from store
where polled_since_seq is not null
  and (%(ids)s::text[] is null or store_id = any(%(ids)s))
  and (%(labels)s::jsonb is null or labels @> %(labels)s::jsonb)
  and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb)
order by store_id
limit %(limit)s

-- name: polls
select string_agg(int4send(store_key) || timestamptz_send(observed_at) || boolsend(is_active), ''::bytea)
from (
    select store_key, observed_at, is_active from observation
    where store_key = any(%(store_keys)s) and observed_at between %(from_time)s and %(to_time)s
    limit %(limit)s
) found
