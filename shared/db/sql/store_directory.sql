-- Store directories: names, labels, zones and lifetimes of stores from one file. The caller holds the lock of local data.

-- name: reject_contradictions
-- Rows of one store that give different values for the same column, in one file or several files of a delivery. An empty cell
-- contradicts nothing.
with cell as (
    select store_id, 'name' as field, details ->> 'name' as value
    from import_staged where import_id = any(%(ids)s) and reason is null
    union all
    select store_id, 'label ' || key, value
    from import_staged, jsonb_each_text(details -> 'labels')
    where import_id = any(%(ids)s) and reason is null
    union all
    select store_id, field, value
    from import_staged, lateral (values ('zone', timezone), ('opened', begins::text), ('closed', ends::text)) given (field, value)
    where import_id = any(%(ids)s) and reason is null
), faulty as (
    select distinct store_id from (
        select store_id from cell where value is not null group by store_id, field having count(distinct value) > 1
    ) fields
), held as (
    update import_staged staged set reason = 'store_twice' from faulty
    where import_id = any(%(ids)s) and reason is null and staged.store_id = faulty.store_id
    returning import_id, line, byte_offset, raw, reason
), ranked as (
    select held.*, row_number() over (partition by import_id order by line) <= room as is_listed
    from held join unnest(%(ids)s::uuid[], %(rooms)s::bigint[]) given (import_id, room) using (import_id)
), listed as (
    insert into import_reject (import_id, line, byte_offset, reason, raw)
    select import_id, line, byte_offset, reason, raw from ranked where is_listed
)
select import_id, reason, count(*), count(*) filter (where not is_listed) from ranked group by import_id, reason

-- name: create_wanted
-- `labels`: null for one to remove. The instants are those that hold after the change.
create temporary table if not exists wanted_directory (
    store_key integer primary key, store_id text collate "C" not null, name text, timezone text, labels jsonb not null,
    sets_lifetime boolean not null, opened_at timestamptz, closed_at timestamptz, outcome text, is_changed boolean
) on commit delete rows

-- name: want
-- One row per store: a value stands in any row of it, or in none.
with staged_row as materialized (
    select store_key, store.store_id, details, staged.timezone, begins, ends
    from import_staged staged join store using (store_id)
    where import_id = any(%(ids)s) and reason is null
), label as (
    select store_key, jsonb_object_agg(key, value) as labels
    from (
        select store_key, key, max(value) as value from staged_row, jsonb_each_text(details -> 'labels') group by store_key, key
    ) distinct_labels
    group by store_key
), united as (
    select store_key, store_id, max(details ->> 'name') as name, max(timezone) as timezone, max(begins) as begins,
        max(ends) as ends, bool_or(details -> 'sets' ? 'opened_at') as sets_opened,
        bool_or(details -> 'sets' ? 'closed_at') as sets_closed
    from staged_row group by store_key, store_id
)
insert into wanted_directory
select united.store_key, store_id, name, timezone, coalesce(label.labels, '{}'),
    (sets_opened or sets_closed) and (held.store_key is not null or begins is not null or ends is not null),
    case when sets_opened then begins else held.opened_at end, case when sets_closed then ends else held.closed_at end
from united left join label using (store_key)
left join lifetime held on held.store_key = united.store_key and held.until_seq is null

-- name: reject_impossible
-- Stores that would close before they open, or have too many labels, once the file is added to what they have.
with faulty as (
    select wanted.store_id,
        case when opened_at >= closed_at then 'lifetime_order' else 'labels' end as fault
    from wanted_directory wanted join store using (store_key)
    where opened_at >= closed_at or (
        select count(*) from jsonb_object_keys(jsonb_strip_nulls(store.labels || wanted.labels))) > %(max_labels)s
), held as (
    update import_staged staged set reason = fault from faulty
    where import_id = any(%(ids)s) and reason is null and staged.store_id = faulty.store_id
    returning import_id, line, byte_offset, raw, reason
), ranked as (
    select held.*, row_number() over (partition by import_id order by line) <= room as is_listed
    from held join unnest(%(ids)s::uuid[], %(rooms)s::bigint[]) given (import_id, room) using (import_id)
), listed as (
    insert into import_reject (import_id, line, byte_offset, reason, raw)
    select import_id, line, byte_offset, reason, raw from ranked where is_listed
)
select import_id, reason, count(*), count(*) filter (where not is_listed) from ranked group by import_id, reason

-- name: leave_out
delete from wanted_directory where store_id = any(%(held)s)

-- name: analyze_wanted
analyze wanted_directory

-- name: compare
-- A store is corrected if a value that it had changes or goes, accepted if it only gets values, and a duplicate otherwise.
update wanted_directory wanted
set is_changed = alters or adds, outcome = case when alters then 'corrected' when adds then 'accepted' else 'duplicate' end
from (
    select wanted.store_key,
        (store.display_name is not null and wanted.name is distinct from store.display_name)
            or (store.timezone is not null and wanted.timezone <> store.timezone)
            or exists (
                select from jsonb_each_text(wanted.labels) label
                where store.labels ? label.key and store.labels ->> label.key is distinct from label.value)
            or (sets_lifetime and ((held.opened_at is not null and wanted.opened_at is distinct from held.opened_at)
                or (held.closed_at is not null and wanted.closed_at is distinct from held.closed_at))) as alters,
        (store.display_name is null and wanted.name is not null)
            or (store.timezone is null and wanted.timezone is not null)
            or exists (
                select from jsonb_each_text(wanted.labels) label
                where label.value is not null and not store.labels ? label.key)
            or (sets_lifetime and ((held.opened_at is null and wanted.opened_at is not null)
                or (held.closed_at is null and wanted.closed_at is not null))) as adds
    from wanted_directory wanted join store using (store_key)
    left join lifetime held on held.store_key = wanted.store_key and held.until_seq is null
) compared
where wanted.store_key = compared.store_key

-- name: count
select import_id, count(*) filter (where outcome = 'accepted') as accepted,
    count(*) filter (where outcome = 'duplicate') as duplicate, count(*) filter (where outcome = 'corrected') as corrected
from import_staged staged join wanted_directory wanted using (store_id)
where import_id = any(%(ids)s) and staged.reason is null
group by import_id

-- name: changes_stores
-- Whether any row of `store` will change.
select exists (
    select from wanted_directory wanted join store using (store_key)
    where wanted.is_changed and (store.display_name is distinct from wanted.name or store.timezone is distinct from
        coalesce(wanted.timezone, store.timezone) or store.labels <> jsonb_strip_nulls(store.labels || wanted.labels)))

-- name: want_lifetimes
insert into wanted_lifetime (store_key, opened_at, closed_at, since_seq)
select store_key, opened_at, closed_at, %(seq)s from wanted_directory where sets_lifetime

-- name: set_stores
-- Under the writer lock. Zones have the early number of the change, as in files of zones. Labels have that of its commit,
-- because they are read without early numbers.
with fresh as materialized (
    select store_key, wanted.name, coalesce(wanted.timezone, store.timezone) as timezone,
        jsonb_strip_nulls(store.labels || wanted.labels) as labels, store.timezone as old_timezone,
        store.timezone_since_seq, store.labels as old_labels, store.labels_since_seq
    from wanted_directory wanted join store using (store_key)
    where is_changed
), kept_zones as (
    insert into superseded_timezone (store_key, timezone, since_seq, until_seq)
    select store_key, old_timezone, timezone_since_seq, %(seq)s from fresh where old_timezone <> timezone
), kept_labels as (
    insert into superseded_labels (store_key, labels, since_seq, until_seq)
    select store_key, old_labels, labels_since_seq, %(commit_seq)s from fresh where old_labels not in ('{}', labels)
)
update store
set display_name = fresh.name, timezone = fresh.timezone, labels = fresh.labels,
    timezone_since_seq = case when fresh.timezone is distinct from old_timezone then %(seq)s else store.timezone_since_seq end,
    labels_since_seq = case when fresh.labels <> old_labels then %(commit_seq)s else store.labels_since_seq end
from fresh
where store.store_key = fresh.store_key and (store.display_name, store.timezone, store.labels)
    is distinct from (fresh.name, fresh.timezone, fresh.labels)

-- name: replace_name
-- Returns the name that the store had before.
with old as (select display_name from store where store_key = %(store_key)s)
update store set display_name = %(name)s from old where store_key = %(store_key)s returning old.display_name
