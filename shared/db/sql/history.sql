-- Data as it was at the ledger number `seq`. Before `history_from_seq`, and in weeks that were dropped since, some of it is
-- gone: `find_gone` tells which.

-- name: find_gone
-- The oldest ledger number that can be read, and the weeks between two instants that were dropped after `seq`.
select head.history_from_seq, array(
    select starts_at from dropped_week
    where dropped_week.seq > %(seq)s and starts_at <= %(to_time)s and starts_at + interval '7 days' > %(from_time)s
    order by 1) as dropped_weeks
from ledger_head head

-- name: polls_of_store
-- One store's polls with the change and import that brought each. All of these are null if they are unknown. The lines are
-- those of the chunk of the file that had the poll; null for live polls, and for polls that waited for the end of their file.
select (extract(epoch from observed_at) * 1000000)::bigint as at_us, is_active, held.since_seq as seq, chunk.import_id,
    import.source, import.created_by, chunk.committed_at,
    case when chunk.end_byte > chunk.first_byte then coalesce(before.end_line, 1) + 1 end as first_line,
    case when chunk.end_byte > chunk.first_byte then chunk.end_line end as last_line
from (
    select observed_at, is_active, full_seq(since_seq, (select seq from ledger_head)) as since_seq
    from observation
    where store_key = %(store_key)s and observed_at between %(from_time)s and %(to_time)s
    union all
    select observed_at, is_active, since_seq
    from superseded_poll
    where store_key = %(store_key)s and observed_at between %(from_time)s and %(to_time)s and until_seq > %(seq)s
) held
left join import_chunk chunk on chunk.commit_seq = held.since_seq
left join import on import.id = chunk.import_id
left join import_chunk before on before.import_id = chunk.import_id and before.chunk_no = chunk.chunk_no - 1
where coalesce(held.since_seq <= %(seq)s, true)
order by observed_at

-- name: batch_polls
-- Like `polls` (load.sql), at `seq`. The index has no ledger numbers, so each poll is read from the table.
with head as materialized (select seq from ledger_head)
select string_agg(int4send(store_key) || timestamptz_send(observed_at) || boolsend(is_active), ''::bytea)
from (
    select store_key, observed_at, is_active from observation
    where store_key = any(%(store_keys)s) and observed_at between %(every_from)s and %(to_time)s
        and coalesce(full_seq(since_seq, (select seq from head)) <= %(seq)s, true)
    union all
    select store_key, observed_at, is_active from superseded_poll
    where store_key = any(%(store_keys)s) and observed_at between %(every_from)s and %(to_time)s
        and coalesce(since_seq <= %(seq)s, true) and until_seq > %(seq)s
    union all
    select given.store_key, older.observed_at, older.is_active
    from unnest(%(store_keys)s::integer[]) given (store_key), lateral (
        select * from (
            (select observed_at, is_active from observation o
             where o.store_key = given.store_key and observed_at >= %(from_time)s and observed_at < %(every_from)s
                 and coalesce(full_seq(since_seq, (select seq from head)) <= %(seq)s, true)
             order by observed_at desc limit 1)
            union all
            (select observed_at, is_active from superseded_poll o
             where o.store_key = given.store_key and observed_at >= %(from_time)s and observed_at < %(every_from)s
                 and coalesce(since_seq <= %(seq)s, true) and until_seq > %(seq)s
             order by observed_at desc limit 1)
        ) either
        order by observed_at desc limit 1
    ) older
) needed

-- name: hours
select store_key, day_of_week, opens, closes from business_hours
where store_key = any(%(store_keys)s) and coalesce(since_seq <= %(seq)s, true)
union all
select store_key, day_of_week, opens, closes from superseded_hours
where store_key = any(%(store_keys)s) and coalesce(since_seq <= %(seq)s, true) and until_seq > %(seq)s
order by 1, 2, 3, 4

-- name: timezones
-- Null for a store that had none.
select store.store_key,
    case when coalesce(timezone_since_seq <= %(seq)s, true) then store.timezone else old.timezone end as timezone
from store left join superseded_timezone old
    on old.store_key = store.store_key and coalesce(old.since_seq <= %(seq)s, true) and old.until_seq > %(seq)s
where store.store_key = any(%(store_keys)s)

-- name: labels
select store.store_key,
    case when coalesce(labels_since_seq <= %(seq)s, true) then store.labels else coalesce(old.labels, '{}') end as labels
from store left join superseded_labels old
    on old.store_key = store.store_key and coalesce(old.since_seq <= %(seq)s, true) and old.until_seq > %(seq)s
where store.store_key = any(%(store_keys)s)
