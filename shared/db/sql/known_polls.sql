-- What ingest reads of weeks that it has filled before.

-- name: week_bytes
select coalesce(pg_relation_size(
    to_regclass('public.observation_' || to_char(%(monday)s::timestamptz at time zone 'UTC', 'IYYY"w"IW'))), 0)

-- name: week_polls
-- One value of fixed-width records: of the pages from `first` up to `end`, so that a large week is never in memory twice.
select string_agg(int4send(store_key) || timestamptz_send(observed_at) || boolsend(is_active), ''::bytea)
from observation
where observed_at >= %(monday)s and observed_at < %(monday)s::timestamptz + interval '168 hours'
    and ctid >= %(first)s::tid and ctid < %(end)s::tid

-- name: poll_places
-- Where some polls of one week are stored: one value of fixed-width records, page and place in it. Lateral and limited, so
-- that each poll is looked up by index.
select string_agg(tidsend(place), ''::bytea)
from unnest(%(store_keys)s::integer[], %(instants)s::timestamptz[]) given (store_key, observed_at)
cross join lateral (
    select ctid as place from observation
    where observation.store_key = given.store_key and observation.observed_at = given.observed_at
        and observation.observed_at >= %(monday)s
        and observation.observed_at < %(monday)s::timestamptz + interval '168 hours'
    limit 1) stored
