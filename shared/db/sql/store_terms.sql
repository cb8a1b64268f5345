-- What decides when one store is open and asked about, as it was at the ledger number `seq`, with the names that an
-- explanation shows. Instants are microseconds since 1970. The same rules as in adjustments.sql, which serves reports.

-- name: newest_change
-- The newest poll, this snapshot's ledger number, and the last change of the tables below; 0 if there never was one.
select latest_observed_at, seq, adjusted_seq from ledger_head

-- name: dated_hours
select effective_from, intervals from dated_hours
where store_key = %(store_key)s and since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[])
    and coalesce(until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]), true)
order by effective_from

-- name: special_hours
select date, intervals from special_hours
where store_key = %(store_key)s and date between %(first_day)s and %(last_day)s
  and since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[])
      and coalesce(until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]), true)

-- name: calendar_dates
-- Of the calendars that apply to the labels. The first calendar by name decides, so it comes last.
select key::date as date, value as intervals, name
from calendar, jsonb_each(dates)
where %(labels)s::jsonb @> labels and key::date between %(first_day)s and %(last_day)s
  and since_seq <= %(seq)s and coalesce(until_seq > %(seq)s, true)
order by name desc

-- name: lifetime
select (extract(epoch from opened_at) * 1000000)::bigint, (extract(epoch from closed_at) * 1000000)::bigint
from lifetime
where store_key = %(store_key)s and since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[])
    and coalesce(until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]), true)

-- name: closures
-- Also those with the treatment ignore, which change no number. `labels` is null for a closure of this store alone.
select id::text, (extract(epoch from starts_at) * 1000000)::bigint as starts_us,
    (extract(epoch from ends_at) * 1000000)::bigint as ends_us, treatment, reason, note,
    case when store_key = 0 then labels end as labels
from closure
where (store_key = %(store_key)s or (store_key = 0 and %(labels)s::jsonb @> labels))
  and starts_at <= %(to_time)s and coalesce(ends_at > %(from_time)s, true)
  and since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[])
      and coalesce(until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]), true)
order by starts_at, id

-- name: store_in_report
-- Where a store stands in a report: in one of its batches, polled when it was accepted, or failed.
select coalesce(r.read_cut, r.data_cut) as seq,
    coalesce(s.polled_since_seq <= r.data_cut, false) as was_polled,
    exists (
        select from report_batch b
        where b.report_id = r.id and case
            when b.store_keys is null
                then s.store_id between b.first_id and b.last_id and s.polled_since_seq <= r.data_cut
            else s.store_key = any(b.store_keys) end) as is_held,
    f.reason as failure, f.detail as failure_detail
from report r
join store s on s.store_key = %(store_key)s
left join report_failed_store f on f.report_id = r.id and f.store_id = s.store_id
where r.id = %(report_id)s
