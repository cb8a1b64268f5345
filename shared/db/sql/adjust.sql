-- Changes of dated hours, special hours, lifetimes, closures and calendars. The caller holds the lock of local data.

-- name: record_adjustment
update ledger_head set adjusted_seq = %(effective_seq)s

-- name: record_maker
-- By the key of the import or of its archive. Kept after the import is forgotten.
with own as (
    select import.id, import.kind, import.source, coalesce(import.created_by, parent.created_by) as changed_by
    from import left join import parent on parent.id = import.parent_id
    where import.id = %(import_id)s
), made as (
    insert into adjustment_change (seq, import_id, changed_by) select %(seq)s, id, changed_by from own
)
select changed_by, kind, source from own

-- name: touched_special_hours
-- The first and last instant that a change can touch, in any time zone and with an overnight interval.
select (min(date) - 1)::timestamp at time zone 'UTC', (max(date) + 3)::timestamp at time zone 'UTC'
from special_hours where since_seq = %(seq)s or until_seq = %(seq)s

-- name: touched_closure
-- Null: without end.
select min(starts_at), case when bool_and(ends_at is not null) then max(ends_at) end
from closure where since_seq = %(seq)s or until_seq = %(seq)s

-- name: touched_calendar
select (min(key)::date - 1)::timestamp at time zone 'UTC', (max(key)::date + 3)::timestamp at time zone 'UTC'
from calendar, jsonb_object_keys(dates) key where since_seq = %(seq)s or until_seq = %(seq)s

-- name: closed_and_open
-- Dates that a delivery declares closed and open are rejected: row by row, so that their store is held back.
with faulty as (
    select store_id, date from import_staged
    where import_id = any(%(ids)s) and reason is null and date is not null
    group by store_id, date
    having bool_or(opens is null) and bool_or(opens is not null)
), held as (
    update import_staged staged set reason = 'closed_and_open' from faulty
    where import_id = any(%(ids)s) and reason is null and staged.store_id = faulty.store_id and staged.date = faulty.date
    returning import_id, line, byte_offset, raw, reason
), ranked as (
    select held.*, row_number() over (partition by import_id order by line) <= room as is_listed
    from held join unnest(%(ids)s::uuid[], %(rooms)s::bigint[]) given (import_id, room) using (import_id)
), listed as (
    insert into import_reject (import_id, line, byte_offset, reason, raw)
    select import_id, line, byte_offset, reason, raw from ranked where is_listed
)
select import_id, reason, count(*), count(*) filter (where not is_listed) from ranked group by import_id, reason

-- name: many_dated_hours
-- Of stores that may have hours from more than `most` dates, with `counts` new ones: the place in `ids`, and the dates that they
-- have, as ordinals.
select place, held.dates
from unnest(%(ids)s::text[], %(counts)s::bigint[]) with ordinality given (store_id, fresh, place)
left join store using (store_id), lateral (
    select coalesce(array_agg(effective_from - date '0001-01-01' + 1), '{}') as dates
    from dated_hours where dated_hours.store_key = store.store_key and until_seq is null) held
where fresh + cardinality(held.dates) > %(most)s

-- name: overfull_special_hours
-- The stores of a delivery with too many intervals on a date, or too many dates with those that they have. Only of stores that may
-- have too many are the dates compared.
with named as materialized (
    select store_id, date, count(distinct (opens, closes)) as intervals from import_staged
    where import_id = any(%(ids)s) and reason is null group by store_id, date
), suspect as materialized (
    select store_id, store_key from named left join store using (store_id)
    group by store_id, store_key
    having count(*) + (
        select count(*) from special_hours held where held.store_key = store.store_key and until_seq is null) > %(most)s
)
select store_id from named where intervals > %(intervals)s
union
select store_id from suspect
where (select count(*) from (
    select date from named where named.store_id = suspect.store_id
    union select date from special_hours held where held.store_key = suspect.store_key and until_seq is null) dates) > %(most)s

-- name: overfull_closures
-- The stores of a delivery with too many closures, with those that they have.
with named as materialized (
    select distinct store_id, begins from import_staged where import_id = any(%(ids)s) and reason is null
), suspect as materialized (
    select store_id, case when store_id = '*' then 0 else store_key end as store_key
    from named left join store using (store_id)
    group by store_id, store_key
    having count(*) + (
        select count(*) from closure held
        where held.store_key = case when store_id = '*' then 0 else store.store_key end and labels = '{}'
            and until_seq is null) > %(most)s
)
select store_id from suspect
where (select count(*) from (
    select begins from named where named.store_id = suspect.store_id
    union select starts_at from closure held
    where held.store_key = suspect.store_key and labels = '{}' and until_seq is null) starts) > %(most)s

-- name: reject_overfull
with held as (
    update import_staged set reason = 'too_many'
    where import_id = any(%(ids)s) and reason is null and store_id = any(%(stores)s::text[])
    returning import_id, line, byte_offset, raw, reason
), rejected as (
    insert into import_reject (import_id, line, byte_offset, reason, raw)
    select import_id, line, byte_offset, reason, raw from held
    returning import_id
)
select import_id, count(*) from rejected group by import_id

-- name: want_dated_hours
-- One step of distinct rows, in the order of `intervals`. Dates are ordinals: 1 is the first day of year 1.
insert into wanted_dated_hours (store_key, effective_from, intervals, since_seq)
select store_key, date '0001-01-01' + ordinal - 1, array_agg(value order by place, part), %(seq)s
from unnest(%(store_keys)s::integer[], %(dates)s::integer[], %(days)s::integer[], %(opens)s::integer[], %(closes)s::integer[])
    with ordinality as given (store_key, ordinal, day, opens, closes, place),
    lateral (values (1, day), (2, opens), (3, closes)) number (part, value)
group by store_key, ordinal

-- name: outcomes_of_dated_hours
-- In two bytes each, by store and date: 0 for accepted, 1 for a duplicate, 2 for a correction.
select string_agg(int2send((case outcome when 'accepted' then 0 when 'duplicate' then 1 else 2 end)::smallint), ''::bytea
    order by store_key, effective_from)
from wanted_dated_hours

-- name: lost_dated_hours
-- Of the changed dates that replace openings, or leave less than half of the hours a week that held before: how many openings
-- are gone, and the seconds a week before and after. What held before: the hours of that date, else of the one before, else
-- those without a date. Dates are ordinals. `coalesce` rules out the index on `until_seq`: this change has ended as many rows
-- as it replaces, and no statistics know of them.
with held as (
    select store_key, effective_from, outcome, wanted.intervals as after, coalesce(
        (select old.intervals from dated_hours old where old.store_key = wanted.store_key
            and old.effective_from = wanted.effective_from and coalesce(old.until_seq, 0) = %(seq)s),
        (select old.intervals from dated_hours old where old.store_key = wanted.store_key
            and old.effective_from < wanted.effective_from and old.until_seq is null order by old.effective_from desc limit 1),
        (select array_agg(value order by day_of_week, opens, closes, place)
            from business_hours, lateral (values (1, day_of_week), (2, opens), (3, closes)) part (place, value)
            where business_hours.store_key = wanted.store_key)) as before
    from wanted_dated_hours wanted where outcome <> 'duplicate'
)
select store_key, effective_from - date '0001-01-01' + 1, gone, before_s::bigint, after_s::bigint
from held,
    lateral (select count(*) as gone from generate_series(3, cardinality(before), 3) place
        where outcome = 'corrected' and not exists (select from generate_series(3, cardinality(after), 3) kept
            where before[place - 2 : place] = after[kept - 2 : kept])) lost,
    lateral (select sum((before[place] - before[place - 1] + 86399) %% 86400 + 1) as before_s
        from generate_series(3, cardinality(before), 3) place) measured_before,
    lateral (select sum((after[place] - after[place - 1] + 86399) %% 86400 + 1) as after_s
        from generate_series(3, cardinality(after), 3) place) measured_after
where gone > 0 or 2 * after_s < before_s
order by store_key, effective_from

-- name: want_special_hours
insert into wanted_special_hours (store_key, date, intervals, since_seq)
select store_key, date, coalesce(array_agg(value order by opens, closes, place) filter (where value is not null), '{}'),
    %(seq)s
from (
    select distinct store_key, date, opens, closes from import_staged join store using (store_id)
    where import_id = any(%(ids)s) and reason is null
) row, lateral (values (1, opens), (2, closes)) number (place, value)
group by store_key, date

-- name: count_special_hours
select import_id, count(*) filter (where outcome = 'accepted') as accepted,
    count(*) filter (where outcome = 'duplicate') as duplicate, count(*) filter (where outcome = 'corrected') as corrected
from import_staged staged join store using (store_id) join wanted_special_hours using (store_key, date)
where import_id = any(%(ids)s) and reason is null
group by import_id

-- name: want_lifetimes
-- The last row of a store wins.
insert into wanted_lifetime (store_key, opened_at, closed_at, since_seq)
select distinct on (store_key) store_key, begins, ends, %(seq)s
from import_staged join store using (store_id)
where import_id = any(%(ids)s) and reason is null
order by store_key, position desc

-- name: count_lifetimes
select import_id, count(*) filter (where outcome = 'accepted') as accepted,
    count(*) filter (where outcome = 'duplicate') as duplicate, count(*) filter (where outcome = 'corrected') as corrected
from import_staged join store using (store_id) join wanted_lifetime using (store_key)
where import_id = any(%(ids)s) and reason is null
group by import_id

-- name: want_closures
-- A store id of * stands for every store. The last row of a store and start wins.
insert into wanted_closure (id, store_key, labels, starts_at, ends_at, treatment, reason, note, since_seq)
select distinct on (store_id, begins) gen_random_uuid(), case when store_id = '*' then 0 else store_key end, '{}', begins, ends,
    details ->> 'treatment', details ->> 'reason', details ->> 'note', %(seq)s
from import_staged left join store using (store_id)
where import_id = any(%(ids)s) and import_staged.reason is null
order by store_id, begins, position desc

-- name: count_closures
select import_id, count(*) filter (where outcome = 'accepted') as accepted,
    count(*) filter (where outcome = 'duplicate') as duplicate, count(*) filter (where outcome = 'corrected') as corrected
from import_staged staged left join store using (store_id)
join wanted_closure wanted
    on wanted.store_key = case when staged.store_id = '*' then 0 else store.store_key end and wanted.starts_at = staged.begins
where import_id = any(%(ids)s) and staged.reason is null
group by import_id

-- name: special_dates_of_store
select date from special_hours
where store_key = %(store_key)s and until_seq is null and coalesce(date = %(date)s::date, %(date)s::date is null)

-- name: special_hours_of_store
-- A row without date for a store without special hours.
select date, intervals from store left join special_hours held on held.store_key = store.store_key and until_seq is null
where store_id = %(store_id)s
order by date

-- name: dated_hours_of_store
select effective_from from dated_hours where store_key = %(store_key)s and until_seq is null order by effective_from

-- name: lifetime_of_store
select opened_at, closed_at from store left join lifetime held on held.store_key = store.store_key and until_seq is null
where store_id = %(store_id)s

-- name: closure_target
-- The key of a store that the caller may see.
select store_key from store where store_id = %(store_id)s and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb)

-- name: closure_at
-- The closure of this target that begins at this instant, if there is one.
select id, ends_at, treatment, reason, note from closure
where store_key = %(store_key)s and labels = %(labels)s and starts_at = %(starts_at)s and until_seq is null

-- name: closures_are_full
select true from closure where store_key = %(store_key)s and labels = %(labels)s and until_seq is null offset %(most)s - 1 limit 1

-- name: closure_to_change
-- A closure that the caller may see: of one of its stores, or one for several stores that applies to one of them. A caller
-- without limit may be shown any.
select closure.store_key, closure.labels, starts_at, ends_at, treatment, reason, note
from closure left join store using (store_key)
where closure.id = %(id)s and until_seq is null
    and (%(scope)s::jsonb is null or store.labels @> %(scope)s::jsonb or (closure.store_key = 0 and exists (
        select from store mine where mine.labels @> %(scope)s::jsonb and mine.labels @> closure.labels)))

-- name: closure_to_restore
-- The same of one that was withdrawn, as it was last.
select closure.store_key, closure.labels, starts_at, ends_at, treatment, reason, note
from closure left join store using (store_key)
where closure.id = %(id)s and until_seq is not null
    and not exists (select from closure later where later.id = closure.id
        and (later.until_seq is null or later.until_seq > closure.until_seq))
    and (%(scope)s::jsonb is null or store.labels @> %(scope)s::jsonb or (closure.store_key = 0 and exists (
        select from store mine where mine.labels @> %(scope)s::jsonb and mine.labels @> closure.labels)))

-- name: list_closures
-- Latest start first, with the change that declared each and the last one. A limited caller is also shown those for several
-- stores that apply to one of its own. `withdrawn`: only those that were withdrawn, as they were last; null: any.
select closure.id, store_id, closure.labels, starts_at, ends_at, treatment, reason, note, last.import_id,
    first.changed_by as declared_by, first.changed_at as declared_at, last.changed_by, last.changed_at,
    gone.changed_by as withdrawn_by, gone.changed_at as withdrawn_at
from closure left join store using (store_key)
join adjustment_change last on last.seq = closure.since_seq
join adjustment_change first on first.seq = (select min(since_seq) from closure version where version.id = closure.id)
left join adjustment_change gone on gone.seq = closure.until_seq
where coalesce((until_seq is not null) = %(withdrawn)s, true)
    and (until_seq is null or not exists (select from closure later where later.id = closure.id
        and (later.until_seq is null or later.until_seq > closure.until_seq)))
    and (%(id)s::uuid is null or closure.id = %(id)s)
    and (%(store_id)s::text is null or store_id = %(store_id)s)
    and (%(before_at)s::timestamptz is null or (starts_at, closure.id) < (%(before_at)s, %(before_id)s::uuid))
    and (%(scope)s::jsonb is null or store.labels @> %(scope)s::jsonb or (closure.store_key = 0 and exists (
        select from store mine where mine.labels @> %(scope)s::jsonb and mine.labels @> closure.labels)))
order by starts_at desc, closure.id desc
limit %(limit)s

-- name: list_calendars
select name, labels, dates, changed_by, changed_at
from calendar join adjustment_change on seq = since_seq
where until_seq is null and (%(name)s::text is null or name = %(name)s)
order by name

-- name: labels_exist
select exists (select from store where labels @> %(labels)s)
