-- Data as it was at the ledger number `seq`. Polls of sealed weeks are given (`sealed_…`): see sealed.sql. Before `history_from_seq`, and in weeks that were dropped since, some of it is
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
-- A note counts if the poll has the status that the last note about the same came with.
with event as materialized (
    select distinct on (observed_at) observed_at, code & 1 = 1 as is_active from poll_note
    where store_key = %(store_key)s and observed_at between %(from_time)s and %(to_time)s and since_seq <= %(seq)s
        and code & 2 = 2
    order by observed_at, since_seq desc
), given as materialized (
    select distinct on (observed_at) observed_at, code & 1 = 1 as is_active, word
    from poll_note join reason on reason_id = code >> 2
    where store_key = %(store_key)s and observed_at between %(from_time)s and %(to_time)s and since_seq <= %(seq)s
    order by observed_at, since_seq desc
)
select (extract(epoch from held.observed_at) * 1000000)::bigint as at_us, held.is_active, held.since_seq as seq, chunk.import_id,
    import.source, import.created_by, chunk.committed_at,
    case when chunk.end_byte > chunk.first_byte then coalesce(before.end_line, 1) + 1 end as first_line,
    case when chunk.end_byte > chunk.first_byte then chunk.end_line end as last_line,
    event.observed_at is not null as is_event, given.word as reason
from (
    select observed_at, is_active, full_seq(since_seq, (select seq from ledger_head)) as since_seq
    from observation
    where store_key = %(store_key)s and observed_at between %(from_time)s and %(to_time)s
    union all
    select 'epoch'::timestamptz + at_us * interval '1 microsecond', active, nullif(since_seq, 0)
    from unnest(%(sealed_at_us)s::bigint[], %(sealed_active)s::boolean[], %(sealed_seqs)s::bigint[])
        sealed (at_us, active, since_seq)
    union all
    select observed_at, is_active, since_seq
    from superseded_poll
    where store_key = %(store_key)s and observed_at between %(from_time)s and %(to_time)s and until_seq > %(seq)s
) held
left join import_chunk chunk on chunk.commit_seq = held.since_seq
left join import on import.id = chunk.import_id
left join import_chunk before on before.import_id = chunk.import_id and before.chunk_no = chunk.chunk_no - 1
left join event on event.observed_at = held.observed_at and event.is_active = held.is_active
left join given on given.observed_at = held.observed_at and given.is_active = held.is_active
where coalesce(held.since_seq <= %(seq)s, true)
order by held.observed_at

-- name: batch_polls
-- Like `polls` (load.sql), at `seq`. The index has no ledger numbers, so each poll is read from the table.
with head as materialized (select seq from ledger_head),
    loading as materialized (select has_unindexed_week(%(from_time)s, %(every_from)s) as is_so)
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
    where not (select is_so from loading)
    union all
    (select distinct on (store_key) store_key, observed_at, is_active
     from (
        select store_key, observed_at, is_active from observation
        where store_key = any(%(store_keys)s) and observed_at >= %(from_time)s and observed_at < %(every_from)s
            and coalesce(full_seq(since_seq, (select seq from head)) <= %(seq)s, true)
        union all
        select store_key, observed_at, is_active from superseded_poll
        where store_key = any(%(store_keys)s) and observed_at >= %(from_time)s and observed_at < %(every_from)s
            and coalesce(since_seq <= %(seq)s, true) and until_seq > %(seq)s
     ) either
     where (select is_so from loading)
     order by store_key, observed_at desc)
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

-- name: named_stores
select store_key, store_id from store where store_id = any(%(store_ids)s)

-- name: causes
-- What changed of some stores after the ledger number `low`, up to `high`: one row per store, kind, subject and who changed it,
-- by store and time. Only what can matter between two instants, and differs at the two numbers there. Labels matter if they
-- decide about a calendar or a closure. `changed_by` is null for the command, and `import_id`, that of the last change, for one
-- that the ledger has forgotten.
with head as materialized (
    select seq from ledger_head
), cut as materialized (
    select seq, not_yet_effective(seq) as early from unnest(array[%(low)s, %(high)s]::bigint[]) given (seq)
), span as materialized (
    -- An interval opens at most two local dates before the time that it touches.
    select (%(from_time)s::timestamptz - interval '3 days')::date as first_day,
        (%(to_time)s::timestamptz + interval '1 day')::date as last_day
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
    select store_key, 'epoch'::timestamptz + at_us * interval '1 microsecond', since_seq
    from unnest(%(sealed_keys)s::integer[], %(sealed_at_us)s::bigint[], %(sealed_seqs)s::bigint[])
        sealed (store_key, at_us, since_seq)
    where since_seq > 0
    union all
    select store_key, observed_at, since_seq from superseded_poll
    where store_key = any(array(select store_key from chosen)) and observed_at between %(from_time)s and %(to_time)s
), noted as (
    -- Polls that only got another note.
    select distinct store_key, observed_at, since_seq as seq from poll_note note
    where store_key = any(array(select store_key from chosen)) and observed_at between %(from_time)s and %(to_time)s
        and not exists (
            select from version
            where version.store_key = note.store_key and version.observed_at = note.observed_at and version.seq = note.since_seq)
), closed as materialized (
    select store_key, id::text as id, labels, since_seq, until_seq,
        (greatest(starts_at, %(from_time)s), least(coalesce(ends_at, 'infinity'), %(to_time)s), treatment)::text as effect
    from closure
    where treatment <> 'ignore' and starts_at <= %(to_time)s and coalesce(ends_at >= %(from_time)s, true)
), labelled (kind, subject, labels, since_seq, until_seq, effect) as materialized (
    select 'closure', id, labels, since_seq, until_seq, effect from closed where store_key = 0
    union all
    select 'calendar', name, labels, since_seq, until_seq, jsonb_object_agg(key, value)::text
    from calendar, jsonb_each(dates), span
    where key::date between first_day and last_day
    group by name, labels, since_seq, until_seq
), weekly as materialized (
    select store_key, day_of_week, opens, closes, coalesce(since_seq, 0) as since_seq, null::bigint as until_seq
    from business_hours join chosen using (store_key)
    union all
    select store_key, day_of_week, opens, closes, coalesce(since_seq, 0), until_seq
    from superseded_hours join chosen using (store_key)
), dated as materialized (
    select dated_hours.* from dated_hours join chosen using (store_key)
), effect (store_key, kind, subject, since_seq, until_seq, effect) as materialized (
    -- What each version of an adjustment does between the two instants.
    select chosen.store_key, kind, subject, since_seq, until_seq, effect
    from labelled join chosen on labels_before @> labels or labels_after @> labels
    union all
    select store_key, 'closure', id, since_seq, until_seq, effect from closed join chosen using (store_key)
    union all
    select store_key, 'special_hours', date::text, since_seq, until_seq, intervals::text
    from special_hours join chosen using (store_key), span
    where date between first_day and last_day
    union all
    select store_key, 'lifetime', null, since_seq, until_seq, (
        greatest(coalesce(opened_at, '-infinity'), %(from_time)s), least(coalesce(closed_at, 'infinity'), %(to_time)s))::text
    from lifetime join chosen using (store_key)
    where coalesce(opened_at > %(from_time)s, false) or coalesce(closed_at < %(to_time)s, false)
    union all
    -- Hours from a date on hold until the next date; before the first date, the hours without a date do, if there are any.
    -- Versions that hold at neither number only tell who else made a change.
    select store_key, 'hours', effective_from::text, since_seq, until_seq, intervals::text
    from dated this, span
    where not exists (select from cut where holds_at(this.since_seq, this.until_seq, cut.seq, cut.early)) or exists (
        select from cut
        where holds_at(this.since_seq, this.until_seq, cut.seq, cut.early)
            and not exists (
                select from dated later
                where later.store_key = this.store_key and holds_at(later.since_seq, later.until_seq, cut.seq, cut.early)
                    and later.effective_from > this.effective_from and later.effective_from <= first_day)
            and (this.effective_from <= last_day or not exists (
                select from dated earlier
                where earlier.store_key = this.store_key and holds_at(earlier.since_seq, earlier.until_seq, cut.seq, cut.early)
                    and earlier.effective_from < this.effective_from
                union all
                select from weekly
                where weekly.store_key = this.store_key and holds_at(weekly.since_seq, weekly.until_seq, cut.seq, cut.early))))
    union all
    select store_key, 'hours', null, since_seq, until_seq, (day_of_week, opens, closes)::text
    from weekly, span
    where exists (
        select from cut
        where not exists (
            select from dated
            where dated.store_key = weekly.store_key and holds_at(dated.since_seq, dated.until_seq, cut.seq, cut.early)
                and dated.effective_from <= first_day))
), differing as (
    select store_key, kind, subject, before, after
    from (
        select store_key, kind, subject,
            array_agg(effect order by effect) filter (
                where cut.seq = %(low)s and holds_at(since_seq, until_seq, cut.seq, cut.early)) as before,
            array_agg(effect order by effect) filter (
                where cut.seq = %(high)s and holds_at(since_seq, until_seq, cut.seq, cut.early)) as after
        from effect, cut
        group by store_key, kind, subject
    ) compared
    where before is distinct from after
), zoned as (
    select store.store_key, cut.seq, case when coalesce(timezone_since_seq <= cut.seq and timezone_since_seq <> all(early), true)
        then store.timezone else old.timezone end as timezone
    from store join chosen using (store_key) cross join cut
    left join superseded_timezone old on old.store_key = store.store_key and holds_at(coalesce(old.since_seq, 0), old.until_seq, cut.seq, early)
), said (store_key, kind, subject, before, after) as (
    -- What held at the two numbers, for those causes that are told in words.
    select store_key, kind, subject, to_jsonb(before), to_jsonb(after) from differing where kind in ('hours', 'special_hours')
    union all
    select store_key, 'timezone', null, jsonb_agg(timezone) filter (where seq = %(low)s), jsonb_agg(timezone) filter (where seq = %(high)s)
    from zoned group by store_key
), change (store_key, kind, subject, seq, observed_at) as (
    select store_key,
        case when exists (
            select from superseded_poll old
            where old.store_key = version.store_key and old.observed_at = version.observed_at and old.until_seq = version.seq)
        then 'corrected_polls' else 'late_polls' end, null, seq, observed_at
    from version
    union all
    select store_key, 'corrected_polls', null, seq, observed_at from noted
    union all
    select effect.store_key, effect.kind, effect.subject, seq, null
    from effect join differing
        on differing.store_key = effect.store_key and differing.kind = effect.kind and differing.subject is not distinct from effect.subject,
        lateral (values (since_seq), (until_seq)) held (seq)
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
        where exists (select from cut where holds_at(since_seq, until_seq, cut.seq, cut.early))
            and (labels_before @> labelled.labels) <> (labels_after @> labelled.labels))
), attributed as (
    select change.*, coalesce(early.effective_seq, seq) as counts_from, coalesce(adjusted.import_id, chunk.import_id) as import_id,
        coalesce(adjusted.changed_at, chunk.committed_at) as changed_at,
        coalesce(adjusted.changed_by, import.created_by, parent.created_by) as changed_by, import.source
    from change
    left join adjustment_change adjusted using (seq)
    left join import_chunk chunk on chunk.commit_seq = change.seq
    left join import on import.id = coalesce(adjusted.import_id, chunk.import_id)
    left join import parent on parent.id = import.parent_id
    left join early_number early using (seq)
    where coalesce(early.effective_seq, seq) > %(low)s and coalesce(early.effective_seq, seq) <= %(high)s
)
select store_id, attributed.kind, attributed.subject, (array_agg(import_id order by counts_from desc))[1] as import_id,
    (array_agg(source order by counts_from desc))[1] as source, changed_by,
    (array_agg(said.before))[1] as before, (array_agg(said.after))[1] as after,
    max(changed_at) as changed_at, count(distinct seq) as changes,
    nullif(count(distinct observed_at), 0) as polls, min(observed_at) as first_poll_at, max(observed_at) as last_poll_at
from attributed join chosen using (store_key)
left join said on said.store_key = attributed.store_key and said.kind = attributed.kind
    and said.subject is not distinct from attributed.subject
group by store_id, attributed.kind, attributed.subject, changed_by
order by store_id collate "C", max(counts_from), attributed.kind, attributed.subject
