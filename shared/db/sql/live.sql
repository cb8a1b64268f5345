-- Live polls, and changes of one store, through the ingest service. They hold the writer lock, as every change of data does.
-- A change of one store also holds the lock of local data, because a file takes the writer lock only at its end.

-- name: begin_change
-- Takes the writer lock until COMMIT, and returns the database's clock once it is held.
select set_config('lock_timeout', %(patience)s, true), pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0)),
    (extract(epoch from clock_timestamp()) * 1000000)::bigint as now_us

-- name: begin_store_change
-- Takes the lock of local data and then the writer lock, both until COMMIT.
select set_config('lock_timeout', %(patience)s, true), pg_advisory_xact_lock(hashtextextended('uptill.local', 0)),
    pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0))

-- name: live_import
-- The live polls of one UTC day are one import.
select id from import
where origin = 'live' and state = 'running'
    and started_at >= date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC'

-- name: close_live_imports
update import set state = 'succeeded', finished_at = clock_timestamp() where origin = 'live' and state = 'running'

-- name: insert_live_import
insert into import (id, origin, kind, source, size_bytes) values (%(id)s, 'live', 'polls', 'live', 0)

-- name: store_exists
select exists (select from store where store_id = %(store_id)s)

-- name: insert_store_change
insert into import (id, origin, kind, source, state, created_by)
values (%(id)s, 'change', %(kind)s, %(source)s, 'running', %(created_by)s)

-- name: finish_store_change
update import set state = 'succeeded', finished_at = clock_timestamp() where id = %(id)s

-- name: replace_hours
-- How many were added, and how many dropped.
with wanted as (
    select distinct day_of_week, opens, closes
    from unnest(%(days)s::smallint[], %(opens)s::integer[], %(closes)s::integer[]) as given (day_of_week, opens, closes)
), dropped as (
    delete from business_hours old
    where store_key = %(store_key)s
        and not exists (select from wanted where (wanted.*) = (old.day_of_week, old.opens, old.closes))
    returning old.*
), kept as (
    insert into superseded_hours (store_key, day_of_week, opens, closes, since_seq, until_seq)
    select store_key, day_of_week, opens, closes, since_seq, %(seq)s from dropped
), added as (
    insert into business_hours (store_key, day_of_week, opens, closes, since_seq)
    select %(store_key)s, wanted.*, %(seq)s from wanted
    where not exists (select from business_hours old where old.store_key = %(store_key)s
        and (old.day_of_week, old.opens, old.closes) = (wanted.*))
    returning 1
)
select (select count(*) from added), (select count(*) from dropped)

-- name: replace_labels
-- Returns the labels that the store had before.
with old as (
    select labels, labels_since_seq from store where store_key = %(store_key)s
), kept as (
    insert into superseded_labels (store_key, labels, since_seq, until_seq)
    select %(store_key)s, labels, labels_since_seq, %(seq)s from old where labels not in ('{}', %(labels)s)
)
update store
set labels = %(labels)s, labels_since_seq = case when old.labels = %(labels)s then old.labels_since_seq else %(seq)s end
from old
where store_key = %(store_key)s
returning old.labels

-- name: replace_timezone
-- Returns the time zone that the store had before.
with old as (
    select timezone, timezone_since_seq from store where store_key = %(store_key)s
), kept as (
    insert into superseded_timezone (store_key, timezone, since_seq, until_seq)
    select %(store_key)s, timezone, timezone_since_seq, %(seq)s from old where timezone <> %(timezone)s
)
update store
set timezone = %(timezone)s,
    timezone_since_seq = case when old.timezone = %(timezone)s then old.timezone_since_seq else %(seq)s end
from old
where store_key = %(store_key)s
returning old.timezone
