-- Live polls and changes of one store through the ingest service. Like every change of data they hold the writer lock.

-- name: begin_change
-- The writer lock until COMMIT, and the database's clock once it is held. Commits nothing of data that files need not.
select set_config('lock_timeout', %(patience)s, true), pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0)),
    (extract(epoch from clock_timestamp()) * 1000000)::bigint as now_us

-- name: live_import
-- Live polls of one UTC day are one import.
select id from import
where origin = 'live' and state = 'running'
    and started_at >= date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC'

-- name: close_live_imports
update import set state = 'succeeded', finished_at = clock_timestamp() where origin = 'live' and state = 'running'

-- name: insert_live_import
insert into import (id, origin, kind, source, size_bytes) values (%(id)s, 'live', 'polls', 'live', 0)

-- name: store_keys_of
-- The key of each store, added where it is new.
with fresh as (
    insert into store (store_id)
    select wanted.store_id from unnest(%(ids)s::text[]) wanted (store_id)
    where not exists (select from store where store.store_id = wanted.store_id)
    order by wanted.store_id collate "C"
    on conflict do nothing
    returning store_id, store_key
)
select store_id, store_key from fresh
union all
select store_id, store_key from store where store_id = any (%(ids)s::text[])

-- name: ensure_weeks
-- Makes the partitions that are missing, with their key; true when one that stood has none, as an import is filling it.
select coalesce(bool_or(to_regclass('public.' || made.partition_name || '_key') is null), false)
from unnest(%(mondays)s::timestamptz[]) monday, ensure_observation_partition(monday, true) made

-- name: create_live_incoming
create temporary table live_incoming (
    place integer not null, store_key integer not null, observed_at timestamptz not null, is_active boolean not null
) on commit delete rows

-- name: merge_live
-- One row a store and instant. Returns the places of those that were there before, with the status they had; to correct
-- them is the caller's.
-- Lateral and limited as in `merge_incoming`.
with compared as materialized (
    select incoming.*, old.is_active as was_active
    from live_incoming incoming left join lateral (
        select is_active from observation
        where store_key = incoming.store_key and observed_at = incoming.observed_at
            and observed_at between %(earliest)s and %(latest)s
        limit 1) old on true
), inserted as (
    insert into observation (store_key, observed_at, is_active)
    select store_key, observed_at, is_active from compared where was_active is null
), first_polls as (
    select store_key, min(observed_at) as at from compared where was_active is null group by store_key
), firsts as (
    update store set first_polled_at = first_polls.at,
        polled_since_seq = coalesce(polled_since_seq, (select seq + 1 from ledger_head))
    from first_polls
    where store.store_key = first_polls.store_key
        and (store.first_polled_at is null or first_polls.at < store.first_polled_at)
)
select place, was_active from compared where was_active is not null

-- name: insert_store_change
insert into import (id, origin, kind, source, state, created_by)
values (%(id)s, 'change', %(kind)s, %(source)s, 'running', %(created_by)s)

-- name: finish_store_change
update import set state = 'succeeded', finished_at = clock_timestamp() where id = %(id)s

-- name: replace_hours
-- How many were added, and whether any were added or dropped.
with wanted as (
    select distinct day_of_week, opens, closes
    from unnest(%(days)s::smallint[], %(opens)s::integer[], %(closes)s::integer[]) as given (day_of_week, opens, closes)
), dropped as (
    delete from business_hours old
    where store_key = %(store_key)s
        and not exists (select from wanted where (wanted.*) = (old.day_of_week, old.opens, old.closes))
    returning 1
), added as (
    insert into business_hours (store_key, day_of_week, opens, closes)
    select %(store_key)s, wanted.* from wanted
    where not exists (select from business_hours old where old.store_key = %(store_key)s
        and (old.day_of_week, old.opens, old.closes) = (wanted.*))
    returning 1
)
select (select count(*) from added), exists (select from added) or exists (select from dropped) as changed

-- name: replace_labels
-- The labels the store had.
update store set labels = %(labels)s
from (select labels from store where store_key = %(store_key)s) old
where store_key = %(store_key)s
returning old.labels

-- name: replace_timezone
-- The zone the store had.
update store set timezone = %(timezone)s
from (select timezone from store where store_key = %(store_key)s) old
where store_key = %(store_key)s
returning old.timezone
