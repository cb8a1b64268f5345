-- Ingest. Every transaction that changes polls takes the writer lock first. So transactions of two imports never overlap,
-- and each row is compared with all rows loaded before it. Local data (all but polls) has a lock of its own. A file of it is
-- compared and written under this lock, and takes the writer lock only to set zones and to commit. A transaction that needs both
-- locks takes that of local data first. Reports only read and never wait.

-- name: lock_writers
-- Waits at most for the statement timeout. The session's `lock_timeout` applies only to the table locks after it.
select set_config('lock_timeout', '0', true), pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0)),
    set_config('lock_timeout', session.lock_timeout, true)
from (select current_setting('lock_timeout') as lock_timeout offset 0) session

-- name: lock_local
-- Held by the session, because the change takes its number in a transaction of its own. The server ends the session of a
-- process that is frozen between two transactions.
select set_config('lock_timeout', '0', true), pg_advisory_lock(hashtextextended('uptill.local', 0)),
    set_config('lock_timeout', session.lock_timeout, true), set_config('idle_session_timeout', '60s', false)
from (select current_setting('lock_timeout') as lock_timeout offset 0) session

-- name: unlock_local
select pg_advisory_unlock(hashtextextended('uptill.local', 0)), set_config('idle_session_timeout', '0', false)

-- name: database_clock_us
select (extract(epoch from clock_timestamp()) * 1000000)::bigint

-- name: hold_import
-- Held by the session that runs the import. The server checks during long statements whether the client is still alive, so
-- that the session of a dead process does not keep the lock.
select set_config('client_connection_check_interval', '500', false),
    pg_try_advisory_lock(hashtextextended('uptill.import.' || %(id)s::text, 0)) as held

-- name: release_import
select pg_advisory_unlock(hashtextextended('uptill.import.' || %(id)s::text, 0))

-- name: insert_import
insert into import (id, origin, kind, source, size_bytes, reading)
values (%(id)s, 'command', %(kind)s, %(source)s, %(size_bytes)s, %(reading)s)

-- name: start_import
update import
set kind = %(kind)s, size_bytes = %(size_bytes)s, state = 'running', error = null, finished_at = null,
    quality = nullif(coalesce(quality, '{}') || %(remark)s, '{}'),
    started_at = case when state = 'queued' then clock_timestamp() else started_at end
where id = %(id)s and state <> 'canceled'

-- name: import_progress
-- State, how values are read, the encoding of the file as far as it was read, and the end of the last committed chunk.
select state, error ->> 'reason' as reason, reading, quality ->> 'encoding' as encoding, chunk_no, end_byte, end_line, prefix_sha256
from import left join lateral (
    select * from import_chunk where import_id = import.id order by chunk_no desc limit 1) last_chunk on true
where id = %(id)s

-- name: interrupted_imports
-- Of the same source, read in the same way, latest first. Some may still be running. Only imports of the command that are not members: an
-- upload or a file in an archive may have the same name, and resumes by its id.
select id from import
where origin = 'command' and parent_id is null and source = %(source)s and size_bytes is not distinct from %(size_bytes)s
    and reading is not distinct from %(reading)s::jsonb
    and state in ('running', 'failed') and (state = 'running' or error ->> 'reason' = 'fault')
order by started_at desc limit 5

-- name: may_be_loaded
-- Whether the source may have been loaded before, so that hashing it is worthwhile.
select exists (select from import
    where state = 'succeeded' and sha256 is not null and same_as is null
        and (size_bytes = %(size_bytes)s or (%(size_bytes)s::bigint is null and source = %(source)s)))

-- name: loaded_before
-- The kind of these bytes, and their imports, if loading them again changes at most what was rejected then: no other import of
-- their kind has contradicted them since. Other polls contradict a file only by corrections. Other hours may also remove rows,
-- so any other load of hours counts. An import that the ledger has forgotten may have been one of these. Hours that were one of
-- several files of a delivery were only a part of it.
-- An import that was itself skipped tells nothing.
-- The same bytes read in another way, or from another date on, are other data. A store directory has what files and calls of
-- other kinds change, and the other way round, if it has such a column. One that an earlier release loaded may have any. A call
-- of this kind changes only names.
select loaded.id, loaded.kind
from import loaded, lateral (
    select coalesce(min(commit_seq), 0) as seq from import_chunk where import_id = loaded.id) start
where loaded.sha256 = %(sha256)s and loaded.state = 'succeeded' and loaded.delivery_id is null
    and (loaded.same_as is null or loaded.rows_read > 0)
    and loaded.reading is not distinct from %(reading)s::jsonb
    and start.seq >= (select forgotten_seq from ledger_head)
    and not exists (
        select from import other left join lateral (
            select loaded.quality, other.kind where loaded.kind = 'stores'
            union all
            select other.quality, loaded.kind where other.kind = 'stores' and other.origin is distinct from 'change'
        ) directory (quality, kind) on true
        where other.id <> loaded.id and (other.kind <> 'polls' or other.corrected > 0)
            and (other.kind = loaded.kind or coalesce(case directory.kind
                when 'timezones' then directory.quality -> 'directory_columns' ? 'timezone_str'
                when 'lifetimes' then directory.quality -> 'directory_columns' ?| array['opened_at', 'closed_at']
                when 'labels' then directory.quality ? 'labels' or not directory.quality ? 'directory_columns'
                else false end, true))
            and start.seq < (
                select commit_seq from import_chunk where import_id = other.id order by chunk_no desc limit 1))
order by loaded.id desc limit 5

-- name: count_import
update import
set rows_read = rows_read + %(accepted)s + %(duplicate)s + %(corrected)s + %(rejected)s,
    accepted = accepted + %(accepted)s, duplicate = duplicate + %(duplicate)s,
    corrected = corrected + %(corrected)s, rejected = rejected + %(rejected)s,
    cut_fractions = cut_fractions + %(cut_fractions)s, assumed_utc = assumed_utc + %(assumed_utc)s
where id = %(id)s

-- name: finish_import
-- An import that changed nothing names the first import of the same bytes. Duplicate hours may still have replaced other
-- hours, so an import of hours or zones is sure to have changed nothing only if it read nothing.
with dropped as (delete from import_staged where import_id = %(id)s and not %(keep_staged)s)
update import
set state = %(state)s, sha256 = %(sha256)s, size_bytes = coalesce(%(size_bytes)s, size_bytes), error = %(error)s,
    quality = case when %(quality)s::jsonb is null then quality else coalesce(quality, '{}') || %(quality)s end,
    finished_at = clock_timestamp(),
    same_as = (select earlier.id from import earlier
        where import.accepted + import.corrected = 0 and (import.kind = 'polls' or import.rows_read = 0)
            and %(state)s = 'succeeded'
            and earlier.sha256 = %(sha256)s and earlier.state = 'succeeded' and earlier.same_as is null
            and earlier.id <> import.id
        order by earlier.started_at, earlier.id limit 1)
where id = %(id)s and state <> 'canceled'

-- name: drop_staged
delete from import_staged where import_id = any(%(ids)s)

-- name: import_result
select id, kind, state, same_as, rows_read, accepted, duplicate, corrected, rejected, cut_fractions, quality,
    error ->> 'message' as error, error ->> 'reason' as reason,
    extract(epoch from coalesce(finished_at, clock_timestamp()) - started_at)::float8 as seconds
from import where id = %(id)s

-- name: first_load
select source, started_at, rejected from import where id = %(id)s

-- name: first_rejects
-- Valid rows that only another row of their store holds back come last.
select line, byte_offset, reason, raw from import_reject
where import_id = %(id)s order by reason = 'store_incomplete', line limit %(limit)s

-- name: sample_rejects
select line, byte_offset, reason, raw from import_reject
where import_id = %(id)s and reason = any(%(reasons)s) order by line limit %(limit)s

-- name: commit_change
-- Adds to the counts, and records the chunk under the next ledger number. The lock on the number lasts until COMMIT.
-- Returns no row if the import was canceled: its transaction must not commit. `even_if_canceled`: a canceled import may
-- still finish what it has committed. The data cut moves only if the transaction `changed` data.
-- `of_polls`: the instants are those of polls, not of a special date or a closure.
with head as (
    update ledger_head
    set seq = seq + 1, history_seq = seq + 1,
        latest_observed_at = greatest(latest_observed_at, case when %(of_polls)s then %(latest)s::timestamptz end),
        unchanged_commits = unchanged_commits + (not %(changed)s)::integer
    returning seq
), counted as (
    update import
    set rows_read = rows_read + %(accepted)s + %(duplicate)s + %(corrected)s + %(rejected)s,
        accepted = accepted + %(accepted)s, duplicate = duplicate + %(duplicate)s,
        corrected = corrected + %(corrected)s, rejected = rejected + %(rejected)s,
        cut_fractions = cut_fractions + %(cut_fractions)s, assumed_utc = assumed_utc + %(assumed_utc)s
    where id = %(id)s and (state <> 'canceled' or %(even_if_canceled)s)
    returning id
)
insert into import_chunk (import_id, chunk_no, first_byte, end_byte, end_line, prefix_sha256, commit_seq, min_at, max_at)
select %(id)s, (select coalesce(max(chunk_no) + 1, 0) from import_chunk where import_id = %(id)s), %(first_byte)s,
    %(end_byte)s, %(end_line)s, %(prefix_sha256)s, head.seq, %(earliest)s, %(latest)s
from head, counted
returning commit_seq

-- name: count_unkept
-- The same for a dry run, which is rolled back: it locks no number, so no other writer waits for it.
update import
set rows_read = rows_read + %(accepted)s + %(duplicate)s + %(corrected)s + %(rejected)s,
    accepted = accepted + %(accepted)s, duplicate = duplicate + %(duplicate)s,
    corrected = corrected + %(corrected)s, rejected = rejected + %(rejected)s,
    cut_fractions = cut_fractions + %(cut_fractions)s, assumed_utc = assumed_utc + %(assumed_utc)s
where id = %(id)s
returning (select seq + 1 from ledger_head)

-- name: keep_early_number
insert into early_number (seq, effective_seq) values (%(seq)s, %(effective_seq)s)

-- name: next_seq
-- The number of the change that this transaction is about to make: no other one gets a number until it ends.
select seq + 1 from ledger_head for update

-- name: add_stores
-- Inserts the stores that are new, with their first poll if the change `seq` brings it: an update would cost as much as the
-- insert. Under the writer lock, no other transaction can add one of them at the same time: with `on conflict`, each store would
-- be looked up in both indexes again, and marked twice.
with fresh as (
    insert into store (store_id, first_polled_at, polled_since_seq)
    select wanted.store_id, nullif(first_at, '-infinity'), case when first_at > '-infinity' then %(seq)s::bigint end
    from unnest(%(ids)s::text[], %(first_at)s::timestamptz[]) wanted (store_id, first_at)
    where not exists (select from store where store.store_id = wanted.store_id)
    order by wanted.store_id collate "C"
    returning store_id, store_key, first_polled_at
)
select store_id, store_key, (extract(epoch from first_polled_at) * 1000000)::bigint as first_us from fresh
union all
select store_id, store_key, (extract(epoch from first_polled_at) * 1000000)::bigint
from store where store_id = any (%(ids)s::text[])

-- name: insert_stores
-- Stores that were new a moment ago. Under the writer lock, like `add_stores`. Each is looked up by index, and they stay in order.
insert into store (store_id)
select wanted_id from unnest(%(ids)s::text[]) wanted (wanted_id)
where (select store_key from store where store_id = wanted_id) is null

-- name: add_unkept_stores
-- The same for a dry run, which is rolled back.
with fresh as (
    insert into store (store_key, store_id)
    overriding system value
    select least(0, (select min(store_key) from store)) - row_number() over (order by wanted.store_id collate "C"), wanted.store_id
    from unnest(%(ids)s::text[]) wanted (store_id)
    where not exists (select from store where store.store_id = wanted.store_id)
    returning store_id, store_key
)
select store_id, store_key, null::bigint as first_us from fresh
union all
select store_id, store_key, (extract(epoch from first_polled_at) * 1000000)::bigint
from store where store_id = any (%(ids)s::text[])

-- name: record_first_polls
update store
set first_polled_at = fresh.at, polled_since_seq = coalesce(polled_since_seq, %(seq)s)
from (select store_key, 'epoch'::timestamptz + at_us * interval '1 microsecond' as at
    from unnest(%(store_keys)s::integer[], %(instants_us)s::bigint[]) given (store_key, at_us)) fresh
where store.store_key = fresh.store_key and (first_polled_at is null or fresh.at < first_polled_at)

-- name: ensure_weeks
-- Creates the missing partitions, with their index if `indexed`. A bulk load indexes its weeks at the end.
select monday, made.created, to_regclass('public.' || made.partition_name || '_key') is null as unindexed
from unnest(%(mondays)s::timestamptz[]) monday, ensure_observation_partition(monday, %(indexed)s) made

-- name: unindexed_weeks
-- The largest first.
select relname, pg_relation_size(oid) from pg_inherits join pg_class on oid = inhrelid
where inhparent = 'observation'::regclass and to_regclass('public.' || relname || '_key') is null
order by pg_relation_size(oid) desc, relname

-- name: ensure_week_index
select ensure_observation_key(%(partition)s)

-- name: create_incoming
-- `place` numbers the polls of live calls, so that each call can be answered.
create temporary table incoming (
    store_key integer not null, observed_at timestamptz not null, first_active boolean not null, is_active boolean not null,
    place integer
) on commit delete rows

-- name: empty_incoming
truncate incoming

-- name: build_week_index
select build_observation_key(%(partition)s)

-- name: index_settings
select set_config('maintenance_work_mem', '256MB', true), set_config('max_parallel_maintenance_workers', %(workers)s::text, true)

-- name: helper_settings
-- With the lock timeout, a statement never waits long for the transaction that it helps.
set maintenance_work_mem = '256MB'; set max_parallel_maintenance_workers = 0; set lock_timeout = '2s'

-- name: merge_incoming
-- One row per store and instant. Inserts the new polls, and returns those that the caller must correct. The bounds let the
-- planner skip partitions. `compared` leaves out polls that change nothing: if a file is loaded again, those are all.
-- Lateral and limited, so that each poll is looked up by index. No statistics cover the newest polls: the planner would
-- expect none and compare every pair.
with compared as materialized (
    select incoming.*, old.is_active as was_active
    from incoming left join lateral (
        select is_active from observation
        where store_key = incoming.store_key and observed_at = incoming.observed_at
            and observed_at between %(earliest)s and %(latest)s
        limit 1) old on true
    where old.is_active is null or old.is_active <> incoming.first_active or old.is_active <> incoming.is_active
), inserted as (
    insert into observation (store_key, observed_at, is_active, since_seq)
    select store_key, observed_at, is_active, short_seq(%(seq)s) from compared where was_active is null
), first_polls as (
    select compared.store_key, (extract(epoch from min(compared.observed_at)) * 1000000)::bigint as at_us
    from compared join store using (store_key)
    where was_active is null and (first_polled_at is null or compared.observed_at < first_polled_at)
    group by compared.store_key
)
select count(*) filter (where was_active is null) as accepted,
    (select count(*) from incoming) - count(*) filter (where was_active is distinct from first_active) as duplicate,
    count(*) filter (where was_active <> first_active) as corrected,
    min(observed_at) filter (where was_active is distinct from is_active) as earliest,
    max(observed_at) filter (where was_active is distinct from is_active) as latest,
    (select coalesce(array_agg(store_key), '{}') from first_polls) as first_keys,
    (select coalesce(array_agg(at_us), '{}') from first_polls) as first_us,
    coalesce(array_agg(store_key) filter (where was_active <> is_active), '{}') as wrong_keys,
    coalesce(array_agg(observed_at) filter (where was_active <> is_active), '{}') as wrong_at,
    string_agg(int4send(place), ''::bytea) filter (where was_active is null) as new_places,
    string_agg(int4send(place), ''::bytea) filter (where was_active <> first_active) as contradicting_places
from compared

-- name: look_up_polls_by_index
-- Rules out joins that read whole weeks, so that each poll is looked up by index.
select set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)

-- name: turn_polls
-- Keeps what each poll was, unless this transaction brought it.
with wrong as (
    select store_key, observed_at
    from unnest(%(store_keys)s::integer[], %(instants)s::timestamptz[]) given (store_key, observed_at)
), kept as (
    insert into superseded_poll (store_key, observed_at, is_active, since_seq, until_seq)
    select old.store_key, old.observed_at, old.is_active, full_seq(old.since_seq, %(seq)s), %(seq)s
    from wrong join observation old using (store_key, observed_at)
    where old.since_seq is distinct from short_seq(%(seq)s)
)
update observation old set is_active = not old.is_active, since_seq = short_seq(%(seq)s)
from wrong
where old.store_key = wrong.store_key and old.observed_at = wrong.observed_at

-- name: pending_imports
select distinct import_id from import_pending

-- name: take_pending
-- Polls of one store and instant from several chunks, in the order of the file. The first is compared with the table, each
-- later one with the one before it.
with taken as (
    delete from import_pending where import_id = %(id)s returning *
), chain as (
    select taken.*, lag(is_active) over key as before
    from taken window key as (partition by store_key, observed_at order by position)
), staged as (
    insert into incoming (store_key, observed_at, first_active, is_active)
    select store_key, observed_at,
        (array_agg(first_active order by position))[1], (array_agg(is_active order by position desc))[1]
    from chain group by store_key, observed_at
)
select count(*) filter (where before = first_active) as duplicate,
    count(*) filter (where before <> first_active) as corrected,
    min(observed_at) as earliest, max(observed_at) as latest
from chain

-- name: join_delivery
update import set delivery_id = %(delivery_id)s where id = %(id)s

-- name: delivery
-- The import, and those of its delivery and kind that are staged and wait for it.
select import.id, import.source from import join import own on own.id = %(id)s
where import.id = own.id
    or (import.state = 'running' and import.delivery_id = own.delivery_id and import.kind = own.kind)
order by import.id

-- name: has_staged
select exists (select from import_staged where import_id = %(id)s)

-- name: staged_stores
-- A closure for the store id * is for every store.
select store_id, store_key
from (
    select distinct store_id from import_staged
    where import_id = any(%(ids)s) and reason is null and not (store_id = '*' and details is not null)
    offset 0
) staged join store using (store_id)

-- name: new_staged_ids
-- Stores that take effect and do not exist yet. A file repeats its stores, so each is looked up once. In the order of the
-- index, which then grows at its ends.
select store_id from (
    select distinct store_id from import_staged
    where import_id = any(%(ids)s) and reason is null and store_id <> all(%(held)s::text[])
        and not (store_id = '*' and details is not null)
    offset 0
) staged
where not exists (select from store where store.store_id = staged.store_id)
order by store_id

-- name: staged_numbers
-- A rejected row counts if its store is known, or has a valid row: where Sunday is day 7 and always closed, only rejected rows
-- may name it. What else is rejected may be a remark below the table.
-- One bit for each number from 0 to 7: counting distinct numbers would sort all rows.
with held as materialized (
    select import_id, store_id, 1 << day_number as numbers, day_of_week is not null as has_names from import_staged
    where import_id = any(%(ids)s) and reason is not null and coalesce(day_number, day_of_week) is not null
), named as (
    select import_id, bit_or(1 << (value ->> 'day_number')::smallint) as numbers,
        bool_or(value ->> 'day_of_week' is not null) as has_names
    from import_staged, jsonb_array_elements(details -> 'values') value
    where import_id = any(%(ids)s) and packed is not null group by import_id
    union all
    select import_id, bit_or(1 << day_number), bool_or(day_of_week is not null) from import_staged
    where import_id = any(%(ids)s) and reason is null and packed is null group by import_id
    union all
    select import_id, numbers, has_names from held
    where exists (select from store where store.store_id = held.store_id)
    union all
    select import_id, numbers, has_names from held
    where store_id in (
        select store_id from import_staged
        where import_id = any(%(ids)s) and reason is null and packed is null and exists (select from held)
        union all
        select jsonb_array_elements_text(details -> 'stores') from import_staged
        where import_id = any(%(ids)s) and packed is not null and exists (select from held)) -- not read if there are none
)
select import_id, numbers & 1 <> 0, numbers & 128 <> 0, numbers <> 0 and has_names, bit_count(numbers::bit(8))
from (
    select import_id, coalesce(bit_or(numbers), 0) as numbers, bool_or(has_names) as has_names
    from named group by import_id
) used

-- name: stage_packed
insert into import_staged (import_id, store_id, line, byte_offset, raw, details, packed)
values (%(import_id)s, '', %(line)s, %(byte_offset)s, %(raw)s, %(details)s, %(packed)s)

-- name: packed_stores
-- The stores of an import so far, by chunk.
select details -> 'stores' as stores from import_staged where import_id = %(id)s and packed is not null order by position

-- name: staged_rows
-- Chunks, and rows that the release before staged one by one. Dates are ordinals: 1 is the first day of year 1.
select import_id, line, details, packed, store_id, day_of_week, day_number, opens, closes,
    date - date '0001-01-01' + 1 as date, timezone, written_zone
from import_staged
where import_id = any(%(ids)s) and reason is null
order by import_id, position

-- name: count_packed
-- The bytes of each import's chunks.
select import_id, sum(octet_length(packed))::bigint from import_staged
where import_id = any(%(ids)s) and packed is not null group by import_id

-- name: staged_texts
select line, byte_offset, raw, details, packed from import_staged where import_id = %(id)s and packed is not null order by position

-- name: keys_of_stores
-- Their keys in the order given, each in four bytes; 0 for a store that does not exist. Each by index: while a fleet is added, a
-- join would read all stores.
select string_agg(int4send(coalesce((select store_key from store where store_id = wanted_id), 0)), ''::bytea order by place)
from unnest(%(ids)s::text[]) with ordinality given (wanted_id, place)

-- name: held_ids
select distinct store_id from import_staged where import_id = any(%(ids)s) and reason is not null

-- name: reject_incomplete
-- All or nothing: the valid rows of a store that has a rejected one are rejected too. Rows without a line were staged by
-- the release before, and stay. The ids come as a parameter, so that they are hashed whatever the statistics say.
with taken as (
    delete from import_staged
    where import_id = any(%(ids)s) and store_id = any(%(held)s::text[]) and reason is null and line is not null
    returning import_id, line, byte_offset, raw
), ranked as (
    select taken.*, row_number() over (partition by import_id order by line) <= room as is_listed
    from taken join unnest(%(ids)s::uuid[], %(rooms)s::bigint[]) given (import_id, room) using (import_id)
), listed as (
    insert into import_reject (import_id, line, byte_offset, reason, raw)
    select import_id, line, byte_offset, 'store_incomplete', raw from ranked where is_listed
)
select import_id, 'store_incomplete', count(*), count(*) filter (where not is_listed) from ranked group by import_id

-- name: held_stores
-- The first rejected row of each store, and whether the store exists and has neither hours nor zone of its own.
select import_id, store_id, line, reason, store.store_key is not null as is_known,
    not exists (select from business_hours hours where hours.store_key = store.store_key)
        and not exists (select from dated_hours hours
            where hours.store_key = store.store_key and until_seq is null and intervals <> '{}') as without_hours,
    store.timezone is null as without_zone
from (
    select distinct on (import_id, store_id) import_id, store_id, line, reason
    from import_staged where import_id = any(%(ids)s) and reason is not null
    order by import_id, store_id, line
) held left join store using (store_id)
order by import_id, line

-- name: windows_zones
select distinct import_id, written_zone, timezone from import_staged
where import_id = any(%(ids)s) and reason is null and written_zone is not null
order by import_id, written_zone

-- name: fixed_zones
-- Stores whose zone, by the last row of their file, never changes its clocks. Most files have no such zone, and need no sort.
select import_id, store_id, timezone
from (
    select distinct on (import_id, store_id) import_id, store_id, timezone, line
    from import_staged where import_id = any(%(ids)s) and reason is null
        and exists (select from import_staged where import_id = any(%(ids)s) and reason is null and timezone = any(%(fixed)s))
    order by import_id, store_id, position desc
) last_row
where timezone = any(%(fixed)s)
order by import_id, line

-- name: long_openings
-- Openings across midnight of more than some seconds, and the first one.
select import_id, count(*), (array_agg(store_id order by line))[1], (array_agg(line order by line))[1],
    (array_agg(opens order by line))[1], (array_agg(closes order by line))[1]
from import_staged
where import_id = any(%(ids)s) and reason is null and closes < opens and closes + 86400 - opens > %(longer_than_s)s
group by import_id

-- name: equal_times
-- Openings of special dates that end when they begin, and the first one. 00:00 to 24:00 is clear.
select import_id, count(*), (array_agg(store_id order by line))[1], min(line)
from import_staged
where import_id = any(%(ids)s) and reason is null and opens = closes and position('24:00'::bytea in raw) = 0
group by import_id

-- name: contradicting_rows
-- Stores with rows of different values in one file, and the first one with its first and last line. Closures are compared if
-- they begin at the same instant (`by_start`).
select import_id, count(*), (array_agg(store_id order by line))[1], min(line), (array_agg(last_line order by line))[1]
from (
    select import_id, store_id, min(line) as line, max(line) as last_line
    from import_staged where import_id = any(%(ids)s) and reason is null
    group by import_id, store_id, case when %(by_start)s then begins end
    having count(*) > 1 and (min(details::text) <> max(details::text)
        or min(coalesce(begins, '-infinity')) <> max(coalesce(begins, '-infinity'))
        or min(coalesce(ends, 'infinity')) <> max(coalesce(ends, 'infinity')))
) doubled
group by import_id

-- name: unknown_stores
-- Stores that have neither polls, nor weekly hours with or without a date, nor a zone, and the first one.
select import_id, count(distinct store_id), (array_agg(store_id order by line))[1], min(line)
from import_staged join store using (store_id)
where import_id = any(%(ids)s) and reason is null and first_polled_at is null and store.timezone is null
    and not (store_id = '*' and details is not null)
    and not exists (select from business_hours own where own.store_key = store.store_key)
    and not exists (select from dated_hours own where own.store_key = store.store_key and until_seq is null)
group by import_id

-- name: note_quality
-- Sentences are added to those that it has.
update import
set quality = coalesce(quality, '{}') || %(notes)s || case when quality ? 'notes' and %(notes)s ? 'notes'
    then jsonb_build_object('notes', quality -> 'notes' || (%(notes)s -> 'notes')) else '{}' end
where id = %(id)s

-- name: add_note
-- Once, also if an outage repeats it.
update import
set quality = coalesce(quality, '{}') || jsonb_build_object('notes', coalesce(quality -> 'notes', '[]') || to_jsonb(%(note)s::text))
where id = %(id)s and not coalesce(quality -> 'notes', '[]') ? %(note)s

-- name: drop_wanted
drop table if exists pg_temp.wanted_dated_hours, pg_temp.wanted_special_hours, pg_temp.wanted_lifetime,
    pg_temp.wanted_closure, pg_temp.wanted_directory, pg_temp.wanted_zones

-- name: plan_of_staged
-- What each import of a delivery is about, for a dry run: stores, those that are new, and the first and last date.
select import_id, count(distinct store_id) as stores, count(distinct store_id) filter (where store_key < 0) as new_stores,
    (array_agg(distinct store_id) filter (where store_key < 0))[:%(listed)s] as listed,
    min(coalesce(date, (begins at time zone 'UTC')::date))::text as first_date,
    max(coalesce(date, (coalesce(ends, begins) at time zone 'UTC')::date))::text as last_date
from import_staged left join store using (store_id)
where import_id = any(%(ids)s) and reason is null and not (store_id = '*' and details is not null)
group by import_id

-- name: existing_stores
-- The keys of stores, for a dry run, which adds none.
select store_id, store_key from store where store_id = any(%(ids)s)

-- name: compare_polls
-- The stored status of each poll in one byte, in the order given: 0 for inactive, 1 for active, 2 for none. Reads each by index,
-- but the unindexed weeks of another load once for all.
with loading as materialized (select has_unindexed_week(%(earliest)s, %(latest)s) as is_so)
select string_agg(case coalesce(old.is_active, loaded.is_active) when true then '\x01'::bytea when false then '\x00' else '\x02' end,
    ''::bytea order by place)
from unnest(%(store_keys)s::integer[], %(at_us)s::bigint[]) with ordinality given (store_key, at_us, place)
left join lateral (
    select is_active from observation
    where observation.store_key = given.store_key
        and observed_at = 'epoch'::timestamptz + given.at_us * interval '1 microsecond'
        and observed_at between %(earliest)s and %(latest)s
        and not (select is_so from loading)
    limit 1) old on true
left join (
    select store_key, observed_at, is_active from observation
    where (select is_so from loading) and observed_at between %(earliest)s and %(latest)s
    offset 0
) loaded on loaded.store_key = given.store_key
    and loaded.observed_at = 'epoch'::timestamptz + given.at_us * interval '1 microsecond'

-- name: create_compared
create temporary table compared_polls (place integer generated always as identity, file integer not null, polls bytea not null)

-- name: keep_compared
insert into compared_polls (file, polls) values (%(file)s, %(polls)s)

-- name: list_compared
select file, polls from compared_polls order by place

-- name: has_hours_between
-- Whether any store from one key to another has hours. The stores of one load have adjacent keys.
select exists (select from business_hours where store_key between %(first)s and %(last)s)

-- name: stored_hours
-- Fixed-width records: the store, the day, and the seconds of the day. Each store by index: without statistics the planner would
-- read all rows.
select string_agg(int4send(store_key) || int2send(day_of_week) || int4send(opens) || int4send(closes), ''::bytea)
from unnest(%(store_keys)s::integer[]) given (wanted_key), lateral (
    select * from business_hours where store_key = wanted_key offset 0) stored

-- name: remove_hours
with gone as (
    delete from business_hours
    where ctid = any(array(
        select place
        from unnest(%(store_keys)s::integer[], %(days)s::integer[], %(opens)s::integer[], %(closes)s::integer[])
            as given (store_key, day_of_week, opens, closes), lateral (
            select ctid as place from business_hours old
            where old.store_key = given.store_key and old.day_of_week = given.day_of_week and old.opens = given.opens
                and old.closes = given.closes
            offset 0) stored))
    returning *
)
insert into superseded_hours (store_key, day_of_week, opens, closes, since_seq, until_seq)
select store_key, day_of_week, opens, closes, since_seq, %(seq)s from gone

-- name: create_wanted_zones
create temporary table if not exists wanted_zones (
    store_key integer not null, first_import uuid not null, first_zone text not null, last_zone text not null
) on commit delete rows

-- name: analyze_wanted_zones
analyze wanted_zones

-- name: apply_timezones
-- Counts the first row of each store by its import, and keeps the zones that `set_timezones` will replace.
with compared as materialized (
    select wanted.*, store.timezone as before, store.timezone_since_seq as since_seq
    from wanted_zones wanted join store using (store_key)
), kept as (
    insert into superseded_timezone (store_key, timezone, since_seq, until_seq)
    select store_key, before, since_seq, %(seq)s from compared where before <> last_zone
)
select first_import, count(*) filter (where before is null) as accepted,
    count(*) filter (where before = first_zone) as duplicate,
    count(*) filter (where before <> first_zone) as corrected,
    bool_or(before is distinct from last_zone) as changed
from compared group by first_import

-- name: set_timezones
-- A step of its own, under the writer lock: first polls change rows of stores too, and would wait for it until COMMIT.
update store set timezone = last_zone, timezone_since_seq = %(seq)s from wanted_zones wanted
where store.store_key = wanted.store_key and store.timezone is distinct from last_zone
