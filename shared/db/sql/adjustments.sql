-- Adjustments of the weekly hours that held at the ledger number `seq`, for some stores. Dates are days since 1970,
-- instants microseconds since 1970. A row's number may be an early one, which does not count yet at `seq` (migration 0027).
-- Labels and calendars have no early numbers: only calls change them.

-- name: dated_hours
select store_key, effective_from - date '1970-01-01', intervals from dated_hours
where store_key = any(%(store_keys)s) and since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[])
    and coalesce(until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]), true)

-- name: special_hours
select store_key, date - date '1970-01-01', intervals from special_hours
where store_key = any(%(store_keys)s) and since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[])
    and coalesce(until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]), true)

-- name: lifetimes
select store_key, (extract(epoch from opened_at) * 1000000)::bigint, (extract(epoch from closed_at) * 1000000)::bigint
from lifetime
where store_key = any(%(store_keys)s) and since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[])
    and coalesce(until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]), true)

-- name: closures
-- One row per closure and store. A closure for labels applies to the stores that had them at `seq`.
with held as materialized (
    select * from closure
    where treatment <> 'ignore' and since_seq <= %(seq)s and since_seq <> all((select not_yet_effective(%(seq)s))::bigint[])
        and coalesce(until_seq > %(seq)s or until_seq = any((select not_yet_effective(%(seq)s))::bigint[]), true)
), labelled as materialized (
    select store.store_key,
        case when coalesce(labels_since_seq <= %(seq)s, true) then store.labels else coalesce(old.labels, '{}') end as labels
    from store left join superseded_labels old
        on old.store_key = store.store_key and coalesce(old.since_seq <= %(seq)s, true) and old.until_seq > %(seq)s
    where store.store_key = any(%(store_keys)s)
), applied as (
    select store_key, held.starts_at, held.ends_at, held.treatment, held.reason from held
    where store_key = any(%(store_keys)s)
    union all
    select labelled.store_key, held.starts_at, held.ends_at, held.treatment, held.reason
    from held join labelled on labelled.labels @> held.labels
    where held.store_key = 0
)
select store_key, (extract(epoch from starts_at) * 1000000)::bigint, (extract(epoch from ends_at) * 1000000)::bigint,
    treatment, reason
from applied

-- name: calendars
-- By name, each with the stores that had its labels at `seq`.
with labelled as materialized (
    select store.store_key,
        case when coalesce(labels_since_seq <= %(seq)s, true) then store.labels else coalesce(old.labels, '{}') end as labels
    from store left join superseded_labels old
        on old.store_key = store.store_key and coalesce(old.since_seq <= %(seq)s, true) and old.until_seq > %(seq)s
    where store.store_key = any(%(store_keys)s)
)
select dates, array(select store_key from labelled where labelled.labels @> calendar.labels) as members
from calendar
where since_seq <= %(seq)s and coalesce(until_seq > %(seq)s, true)
order by name
