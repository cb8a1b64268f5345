-- Live state as callers see it. `scope`: the labels to which the caller is limited; null: no limit. Times are those at the
-- instant at which the batch of the store was last refreshed.

-- name: list
-- Ordered by (place, store_id). What grows with time alone is not in `place`, so that pages fit together.
with seen as (
    select s.store_id, s.display_name as name, s.timezone, s.labels, n.state, n.since_earliest, n.since_latest, n.last_poll_at, n.last_poll_active,
        n.open_from, n.open_until, n.opens_at, n.inactive_polls, n.usual_gap_us, n.fault, n.day_from, n.up_us, n.down_us,
        n.down_open_us, n.accrues, coalesce(b.refreshed_at, n.counted_at) as refreshed_at,
        (extract(epoch from coalesce(b.refreshed_at, n.counted_at) - n.counted_at) * 1000000)::bigint as elapsed_us,
        case %(sort)s
            when 'since' then coalesce((extract(epoch from n.since_latest) * 1000000)::bigint, 0)
            when '-since' then -coalesce((extract(epoch from n.since_latest) * 1000000)::bigint, 0)
            when 'last_poll' then coalesce((extract(epoch from n.last_poll_at) * 1000000)::bigint, 0)
            when '-last_poll' then -coalesce((extract(epoch from n.last_poll_at) * 1000000)::bigint, 0)
            when '-down' then case when n.state = 'down'
                then (extract(epoch from n.counted_at) * 1000000)::bigint - n.down_open_us else 9223372036854775807 end
            else 0
        end as place
    from store s
    join store_now n using (store_key)
    left join report r on r.kind = 'now'
    left join now_batch b on b.report_id = r.id and b.batch_no = n.batch_no
    where (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
      and (%(labels)s::jsonb is null or s.labels @> %(labels)s::jsonb)
      and (%(states)s::text[] is null or n.state = any(%(states)s::text[]))
      and (%(store_id)s::text is null or s.store_id = %(store_id)s)
      and (%(text)s::text is null or strpos(lower(s.store_id), lower(%(text)s)) > 0 or strpos(lower(s.display_name), lower(%(text)s)) > 0)
)
select store_id, name, timezone, labels, state, since_earliest, since_latest, last_poll_at, last_poll_active, open_from, open_until,
    opens_at, up_us + case when accrues = 'up' then elapsed_us else 0 end as up_us,
    down_us + case when accrues = 'down' then elapsed_us else 0 end as down_us,
    down_open_us + case when state = 'down' then elapsed_us else 0 end as down_open_us,
    inactive_polls, usual_gap_us, fault, day_from, refreshed_at, place
from seen
where %(after_place)s::bigint is null or (place, store_id) > (%(after_place)s::bigint, %(after_id)s::text)
order by place, store_id
limit %(limit)s

-- name: summary
-- Stores by state and by the value of a label; null: without the label, or if none is asked for.
select s.labels ->> %(by)s::text as value, n.state, count(*) as stores
from store s join store_now n using (store_key)
where (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
  and (%(labels)s::jsonb is null or s.labels @> %(labels)s::jsonb)
  and (%(text)s::text is null or strpos(lower(s.store_id), lower(%(text)s)) > 0 or strpos(lower(s.display_name), lower(%(text)s)) > 0)
group by value, n.state

-- name: squares
-- The stores by id with their states, as two arrays for each value of a label (null: without the label).
select s.labels ->> %(by)s::text as value, array_agg(s.store_id order by s.store_id), array_agg(n.state order by s.store_id)
from store s join store_now n using (store_key)
where (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
  and (%(labels)s::jsonb is null or s.labels @> %(labels)s::jsonb)
  and (%(states)s::text[] is null or n.state = any(%(states)s::text[]))
  and (%(text)s::text is null or strpos(lower(s.store_id), lower(%(text)s)) > 0 or strpos(lower(s.display_name), lower(%(text)s)) > 0)
group by value
order by value nulls last

-- name: label_names
-- Names of labels of some stores, those that form the fewest groups first; a label with one value forms none.
select name
from (
    select case when jsonb_typeof(labels) = 'object' then labels else '{}' end as labels from store s
    where %(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb
    order by store_key limit %(limit)s
) looked, jsonb_object_keys(labels) name
group by name
order by count(distinct labels ->> name) = 1, count(distinct labels ->> name), name
limit %(names)s

-- name: refresh
-- The oldest refresh of a batch, and seconds since then. No row counts until every batch has had its first refresh.
select case when bool_and(n.refreshed_at is not null) then min(n.refreshed_at) end as refreshed_at,
    case when bool_and(n.refreshed_at is not null)
        then extract(epoch from clock_timestamp() - min(n.refreshed_at))::float8 end as lag_s
from report r join report_batch b on b.report_id = r.id
left join now_batch n on n.report_id = b.report_id and n.batch_no = b.batch_no
where r.kind = 'now'

-- name: positions
select coalesce((select min(id) from now_change), 0), coalesce((select max(id) from now_change), 0)

-- name: changes
select c.id, c.at, s.store_id, c.was, c.state, c.since_earliest, c.since_latest
from now_change c join store s using (store_key)
where c.id > %(after_id)s and c.id <= %(until_id)s
  and (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
  and (%(labels)s::jsonb is null or s.labels @> %(labels)s::jsonb)
  and (%(states)s::text[] is null or c.state = any(%(states)s::text[]))
order by c.id
limit %(limit)s
