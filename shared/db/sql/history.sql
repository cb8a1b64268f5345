-- Data as it was at the ledger number `seq`. Before `history_from_seq`, and in weeks that were dropped since, some of it is
-- gone: `find_gone` tells which. Rows of files of hours and zones have early numbers, which may not count yet at `seq`
-- (migration 0027).

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
where store_key = any(%(store_keys)s)
    and coalesce(since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[]), true)
union all
select store_key, day_of_week, opens, closes from superseded_hours
where store_key = any(%(store_keys)s)
    and coalesce(since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[]), true)
    and (until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]))
order by 1, 2, 3, 4

-- name: timezones
-- Null for a store that had none.
with early as materialized (select not_yet_effective(%(seq)s) as numbers)
select store.store_key,
    case when coalesce(timezone_since_seq <= %(seq)s and timezone_since_seq <> all(numbers), true) then store.timezone
        else old.timezone end as timezone
from early cross join store left join superseded_timezone old
    on old.store_key = store.store_key and coalesce(old.since_seq <= %(seq)s and old.since_seq <> all(numbers), true)
        and (old.until_seq > %(seq)s or old.until_seq = any(numbers))
where store.store_key = any(%(store_keys)s)

-- name: labels
select store.store_key,
    case when coalesce(labels_since_seq <= %(seq)s, true) then store.labels else coalesce(old.labels, '{}') end as labels
from store left join superseded_labels old
    on old.store_key = store.store_key and coalesce(old.since_seq <= %(seq)s, true) and old.until_seq > %(seq)s
where store.store_key = any(%(store_keys)s)

-- name: causes
-- What changed of some stores after the ledger number `low`, up to `high`: one row per store, kind, subject and import, by
-- store and time. Only what can matter for polls between two instants. Labels matter if they decide about a calendar or a
-- closure. `changed_by` is null for the command, and `import_id` for a change that the ledger has forgotten.
with head as materialized (
    select seq from ledger_head
), chosen as materialized (
    select store.store_key, store.store_id,
        case when coalesce(labels_since_seq <= %(low)s, true) then store.labels else coalesce(old.labels, '{}') end as labels_before,
        case when coalesce(labels_since_seq <= %(high)s, true) then store.labels else coalesce(new.labels, '{}') end as labels_after
    from store
    left join superseded_labels old
        on old.store_key = store.store_key and coalesce(old.since_seq <= %(low)s, true) and old.until_seq > %(low)s
    left join superseded_labels new
        on new.store_key = store.store_key and coalesce(new.since_seq <= %(high)s, true) and new.until_seq > %(high)s
    where store_id = any(%(store_ids)s)
), version as (
    select store_key, observed_at, full_seq(since_seq, (select seq from head)) as seq from observation
    where store_key = any(array(select store_key from chosen)) and observed_at between %(from_time)s and %(to_time)s
        and since_seq is not null
    union all
    select store_key, observed_at, since_seq from superseded_poll
    where store_key = any(array(select store_key from chosen)) and observed_at between %(from_time)s and %(to_time)s
), labelled (id, labels, since_seq, until_seq) as (
    select id::text, labels, since_seq, until_seq from closure
    where store_key = 0 and treatment <> 'ignore'
        and starts_at <= %(to_time)s and coalesce(ends_at >= %(from_time)s, true)
    union all
    select name, labels, since_seq, until_seq from calendar
), change (store_key, kind, subject, seq, observed_at) as (
    select store_key,
        case when exists (
            select from superseded_poll old
            where old.store_key = version.store_key and old.observed_at = version.observed_at and old.until_seq = version.seq)
        then 'corrected_polls' else 'late_polls' end, null, seq, observed_at
    from version
    union all
    select store_key, 'hours', null, since_seq, null from business_hours join chosen using (store_key)
    union all
    select store_key, 'hours', null, seq, null
    from superseded_hours join chosen using (store_key), lateral (values (since_seq), (until_seq)) held (seq)
    union all
    select store_key, 'hours', effective_from::text, seq, null
    from dated_hours join chosen using (store_key), lateral (values (since_seq), (until_seq)) held (seq)
    union all
    select store_key, 'timezone', null, timezone_since_seq, null from store join chosen using (store_key)
    union all
    select store_key, 'labels', null, seq, null
    from (
        select store_key, labels_since_seq as seq from store join chosen using (store_key)
        union all
        select store_key, held.seq
        from superseded_labels join chosen using (store_key), lateral (values (since_seq), (until_seq)) held (seq)
    ) labels_changed join chosen using (store_key)
    where exists (
        select from labelled
        where since_seq <= %(high)s and since_seq <> all((select not_yet_effective(%(high)s))::bigint[])
            and coalesce(until_seq > %(low)s or until_seq = any((select not_yet_effective(%(low)s))::bigint[]), true)
            and (labels_before @> labelled.labels) <> (labels_after @> labelled.labels))
    union all
    select store_key, 'special_hours', date::text, seq, null
    from special_hours join chosen using (store_key), lateral (values (since_seq), (until_seq)) held (seq)
    where date between (%(from_time)s::timestamptz - interval '3 days')::date and (%(to_time)s::timestamptz + interval '1 day')::date
    union all
    select store_key, 'lifetime', null, seq, null
    from lifetime join chosen using (store_key), lateral (values (since_seq), (until_seq)) held (seq)
    union all
    select chosen.store_key, 'closure', closure.id::text, seq, null
    from closure join chosen on chosen.store_key = closure.store_key
        or (closure.store_key = 0 and (labels_before @> closure.labels or labels_after @> closure.labels)),
        lateral (values (since_seq), (until_seq)) held (seq)
    where treatment <> 'ignore' and starts_at <= %(to_time)s and coalesce(ends_at >= %(from_time)s, true)
    union all
    select chosen.store_key, 'calendar', name, seq, null
    from calendar join chosen on labels_before @> calendar.labels or labels_after @> calendar.labels,
        lateral (values (since_seq), (until_seq)) held (seq)
), attributed as (
    select change.*, coalesce(early.effective_seq, seq) as counts_from, coalesce(adjusted.import_id, chunk.import_id) as import_id,
        coalesce(adjusted.changed_at, chunk.committed_at) as changed_at,
        coalesce(adjusted.changed_by, import.created_by, parent.created_by) as changed_by
    from change
    left join adjustment_change adjusted using (seq)
    left join import_chunk chunk on chunk.commit_seq = change.seq
    left join import on import.id = chunk.import_id
    left join import parent on parent.id = import.parent_id
    left join early_number early using (seq)
    where coalesce(early.effective_seq, seq) > %(low)s and coalesce(early.effective_seq, seq) <= %(high)s
)
select store_id, kind, subject, import_id, changed_by, max(changed_at) as changed_at,
    nullif(count(distinct observed_at), 0) as polls, min(observed_at) as first_poll_at, max(observed_at) as last_poll_at
from attributed join chosen using (store_key)
group by store_id, kind, subject, import_id, changed_by
order by store_id collate "C", max(counts_from), kind, subject
