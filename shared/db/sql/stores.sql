-- Stores as callers see them. `scope`: the labels to which the caller is limited; null: no limit.

-- name: list_stores
-- With one search per store for its last poll from `since` on. Unindexed weeks of a large load are read once for the page.
-- `store_keys`: only these; null: all.
with page as materialized (
    select store_key, store_id, display_name, timezone, labels, first_polled_at
    from store
    where (%(store_keys)s::integer[] is null or store_key = any(%(store_keys)s::integer[]))
      and (%(store_id)s::text is null or store.store_id = %(store_id)s)
      and (%(after_id)s::text is null or store.store_id > %(after_id)s)
      and (%(text)s::text is null or position(lower(%(text)s) in lower(store.store_id)) > 0
        or position(lower(%(text)s) in lower(store.display_name)) > 0)
      and (%(labels)s::jsonb is null or store.labels @> %(labels)s::jsonb)
      and (%(scope)s::jsonb is null or store.labels @> %(scope)s::jsonb)
    order by store.store_id
    limit %(limit)s
), loading as materialized (
    select has_unindexed_week('-infinity', 'infinity') as is_so
), loaded as materialized (
    select distinct on (store_key) store_key, observed_at, is_active from observation
    where (select is_so from loading) and store_key = any(array(select store_key from page)) and observed_at >= %(since)s
    order by store_key, observed_at desc
)
select store.store_key, store.store_id, store.display_name as name, store.timezone, store.labels, store.first_polled_at,
       last.observed_at as last_polled_at, last.is_active
from page store
left join lateral (
    (select observed_at, is_active from observation
     where observation.store_key = store.store_key and observed_at >= store.first_polled_at
        and observed_at >= %(since)s and not (select is_so from loading)
     order by observed_at desc limit 1)
    union all
    (select observed_at, is_active from loaded where loaded.store_key = store.store_key)
    union all
    (select last_at, last_active from sealed_store
     where sealed_store.store_key = store.store_key
     order by starts_at desc limit 1)
    order by observed_at desc limit 1
) last on store.first_polled_at is not null
order by store.store_id

-- name: names_of
select store_id, display_name from store where store_id = any(%(store_ids)s) and display_name is not null

-- name: hours_of_store
select day_of_week, opens, closes from business_hours where store_key = %(store_key)s order by 1, 2, 3

-- name: adjusted_now
-- Dated hours as JSON, and whether anything else decides about the store now: a special date, or its lifetime.
select
    (select coalesce(jsonb_agg(jsonb_build_array(effective_from, intervals) order by effective_from), '[]')
        from dated_hours
        where store_key = %(store_key)s and until_seq is null
            and cardinality(intervals) %% 3 = 0 and array_position(intervals, null) is null),
    exists (select from special_hours where store_key = %(store_key)s and date = %(today)s and until_seq is null)
        or exists (select from calendar where until_seq is null and %(labels)s::jsonb @> labels and dates ? %(today)s::text)
        or exists (select from lifetime where store_key = %(store_key)s and until_seq is null
            and (opened_at > %(now)s or closed_at <= %(now)s))

-- name: makers_of_store
-- Who made the last change of the hours of a store, and of its time zone. Hours that are gone have changed too.
select what, known.import_id, import.source, coalesce(adjusted.changed_by, import.created_by, parent.created_by),
    coalesce(adjusted.changed_at, chunk.committed_at)
from (
    select 'timezone', timezone_since_seq from store where store_key = %(store_key)s
    union all
    select 'hours', max(seq) from (
        select since_seq from business_hours where store_key = %(store_key)s
        union all select until_seq from superseded_hours where store_key = %(store_key)s
        union all select greatest(since_seq, until_seq) from dated_hours where store_key = %(store_key)s
    ) changed (seq)
) given (what, seq)
left join adjustment_change adjusted using (seq)
left join import_chunk chunk on chunk.commit_seq = given.seq,
    lateral (select coalesce(adjusted.import_id, chunk.import_id) as import_id) known
left join import on import.id = known.import_id
left join import parent on parent.id = import.parent_id
where given.seq is not null

-- name: latest_poll
select latest_observed_at from ledger_head

-- name: count_polls
-- Of the last day: no such week is ever sealed.
select count(*) from observation
where store_key = %(store_key)s and observed_at > %(after)s and observed_at <= %(until)s

-- name: polls_of_store
-- Instants in microseconds since 1970 and states, as two arrays. The limit is one more than the caller shows.
select coalesce(array_agg((extract(epoch from observed_at) * 1000000)::bigint), '{}'), coalesce(array_agg(is_active), '{}')
from (
    select observed_at, is_active from observation
    where store_key = %(store_key)s and observed_at between %(from_time)s and %(to_time)s
    order by observed_at limit %(limit)s
) found
