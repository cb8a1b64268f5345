-- What decides when one store is open and asked about, as it was at the ledger number `seq`, with the names that an
-- explanation shows. Instants are microseconds since 1970. The same rules as in adjustments.sql, which serves reports.

-- name: newest_change
-- The newest poll, this snapshot's ledger number, and the last change of the tables below; 0 if there never was one.
select latest_observed_at, seq, adjusted_seq from ledger_head

-- name: terms
-- What adjusts the weekly hours: one JSON value for each kind, so that a round trip brings all of them. Calendars are those
-- that apply to the labels. The first calendar by name decides about a date, so it comes last. Closures include those with
-- the treatment ignore, which change no number; their labels are null for a closure of this store alone.
with early as materialized (select not_yet_effective(%(seq)s) as numbers)
select
    (select jsonb_build_array(
            (extract(epoch from opened_at) * 1000000)::bigint, (extract(epoch from closed_at) * 1000000)::bigint)
        from lifetime
        where store_key = %(store_key)s and holds_at(since_seq, until_seq, %(seq)s, early.numbers)) as lifetime,
    (select coalesce(jsonb_agg(jsonb_build_array(effective_from, intervals) order by effective_from), '[]')
        from dated_hours
        where store_key = %(store_key)s and holds_at(since_seq, until_seq, %(seq)s, early.numbers)) as dated_hours,
    (select coalesce(jsonb_agg(jsonb_build_array(date, intervals)), '[]')
        from special_hours
        where store_key = %(store_key)s and date between %(first_day)s and %(last_day)s
            and holds_at(since_seq, until_seq, %(seq)s, early.numbers)) as special_hours,
    (select coalesce(jsonb_agg(jsonb_build_array(key::date, value, name) order by name desc), '[]')
        from calendar, jsonb_each(dates)
        where %(labels)s::jsonb @> labels and key::date between %(first_day)s and %(last_day)s
            and holds_at(since_seq, until_seq, %(seq)s, early.numbers)) as calendar_dates,
    (select coalesce(jsonb_agg(jsonb_build_array(
            id, (extract(epoch from starts_at) * 1000000)::bigint, (extract(epoch from ends_at) * 1000000)::bigint,
            treatment, reason, note, case when store_key = 0 then labels end) order by starts_at, id), '[]')
        from closure
        where (store_key = %(store_key)s or (store_key = 0 and %(labels)s::jsonb @> labels))
            and starts_at <= %(to_time)s and coalesce(ends_at > %(from_time)s, true)
            and holds_at(since_seq, until_seq, %(seq)s, early.numbers)) as closures
from early

-- name: store_in_report
-- A store as it was at a report's ledger number, by the same rules as in history.sql, and where it stands in the report: in
-- one of its batches, polled when it was accepted, or failed. No row if the caller may not see the store.
select s.store_key, cut.seq,
    case when holds_at(s.timezone_since_seq, null, cut.seq, cut.early) then s.timezone else old_zone.timezone end as timezone,
    array(
        select array[day_of_week, opens, closes] from (
            select day_of_week, opens, closes from business_hours
            where store_key = s.store_key and holds_at(since_seq, null, cut.seq, cut.early)
            union all
            select day_of_week, opens, closes from superseded_hours
            where store_key = s.store_key and holds_at(since_seq, until_seq, cut.seq, cut.early)
        ) hours
        order by 1) as hours,
    case when coalesce(s.labels_since_seq <= cut.seq, true) then s.labels else coalesce(old_labels.labels, '{}') end as labels,
    (select adjusted_seq from ledger_head) as adjusted_seq,
    coalesce(s.polled_since_seq <= r.data_cut, false) as was_polled,
    exists (
        select from report_batch b
        where b.report_id = r.id and case
            when b.store_keys is null
                then s.store_id between b.first_id and b.last_id and s.polled_since_seq <= r.data_cut
            else s.store_key = any(b.store_keys) end) as is_held,
    f.reason as failure, f.detail as failure_detail
from report r
join store s on s.store_id = %(store_id)s and (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
cross join lateral (
    select seq, not_yet_effective(seq) as early from (select coalesce(r.read_cut, r.data_cut) as seq) given
) cut
left join superseded_timezone old_zone on old_zone.store_key = s.store_key
    and holds_at(old_zone.since_seq, old_zone.until_seq, cut.seq, cut.early)
left join superseded_labels old_labels on old_labels.store_key = s.store_key
    and coalesce(old_labels.since_seq <= cut.seq, true) and old_labels.until_seq > cut.seq
left join report_failed_store f on f.report_id = r.id and f.store_id = s.store_id
where r.id = %(report_id)s

-- name: closure_origins
-- The change that recorded each closure as it is now: where it came from, the name of the key that sent it, and when.
select distinct on (closure.id) closure.id::text, import.source, api_key.name, chunk.committed_at
from closure
left join early_number on early_number.seq = closure.since_seq
join import_chunk chunk on chunk.commit_seq = coalesce(early_number.effective_seq, closure.since_seq)
join import on import.id = chunk.import_id
left join import parent on parent.id = import.parent_id
left join api_key on api_key.prefix = coalesce(import.created_by, parent.created_by)
where closure.id = any(%(ids)s::uuid[])
order by closure.id, closure.since_seq desc
