-- What an import says about the data it brought. Reads the tables as they are once the import is in.

-- name: subject
-- An archive answers for its members.
select (select kind from import where id = %(id)s), array_agg(id), sum(duplicate)::bigint, sum(corrected)::bigint,
    sum(assumed_utc)::bigint, coalesce(bool_or(kind = 'polls'), false)
from import where id = %(id)s or parent_id = %(id)s

-- name: member_quality
select source, quality from import where parent_id = %(id)s and quality is not null order by started_at, id

-- name: newest_change
select max(max_at) from import_chunk where import_id = any(%(ids)s)

-- name: latest_poll
select latest_observed_at from ledger_head

-- name: stores
-- Reports have the stores that were polled; files of hours and zones may name more.
select count(*) filter (where is_polled) as stores,
    count(*) filter (where is_polled
        and not exists (select from business_hours own where own.store_key = store.store_key)
        and not exists (select from dated_hours own
            where own.store_key = store.store_key and until_seq is null and intervals <> '{}')) as stores_without_hours,
    count(*) filter (where is_polled and timezone is null) as stores_without_timezone,
    count(*) filter (where not is_polled) as stores_never_polled
from store cross join lateral (select first_polled_at is not null as is_polled) polled

-- name: stores_silent
-- `not in` would compare each store with each poll of the day where the day's polls do not fit work_mem.
select count(*) from store
where first_polled_at <= %(newest)s and not exists (
    select from observation
    where observation.store_key = store.store_key
        and observed_at > %(newest)s::timestamptz - interval '24 hours' and observed_at <= %(newest)s)

-- name: sample
-- Spread by hash, the same ones each time.
select store_key, timezone from store where first_polled_at <= %(newest)s
order by hashint4(store_key), store_key limit %(stores)s

-- name: sample_polls
-- One value of fixed-width records, sorted by store; a store polled more than hourly gives its newest polls only. None while
-- another load has an unindexed week there: each of these searches would read the whole week.
select string_agg(int4send(index::int - 1) || timestamptz_send(observed_at), ''::bytea order by index, observed_at)
from unnest(%(store_keys)s::integer[]) with ordinality wanted (store_key, index), lateral (
    select observed_at from observation
    where observation.store_key = wanted.store_key
        and observed_at > %(newest)s::timestamptz - interval '8 days' and observed_at <= %(newest)s
    order by observed_at desc limit %(polls)s) poll
where not (select has_unindexed_week(%(newest)s::timestamptz - interval '8 days', %(newest)s))

-- name: page_of_stores
-- The ids of the next stores after a key, and the last key.
select array_agg(store_id), max(store_key)
from (select store_key, store_id from store where store_key > %(after)s order by store_key limit %(stores)s) page

-- name: near_stores
-- Stores whose ids differ from a given one only in case and zeros. The coarse form is cheap.
select store_id from store
where replace(lower(store_id collate "pg_c_utf8"), '0', '') in (
    select replace(lower(given_id collate "pg_c_utf8"), '0', '') from unnest(%(ids)s::text[]) given (given_id))

-- name: look_alikes
-- Ids that differ only in case or in leading zeros of a number, if one of them is given: how many pairs, and the first.
with named as (
    select distinct store_id collate "C" as store_id, is_given,
        regexp_replace(lower(store_id collate "pg_c_utf8"), '(^|[^0-9])0+(?=[0-9])', '\1', 'g') as form
    from (
        select unnest(%(ids)s::text[]) as store_id, true as is_given
        union all
        select unnest(%(others)s::text[]), false
    ) suspect
), pair as (
    select store_id, lag(store_id) over (partition by form order by store_id) as before,
        bool_or(is_given) over (partition by form) as is_concerned
    from named
)
select count(*) over () as pairs, before, store_id from pair where is_concerned and before is not null
order by before limit %(limit)s

-- name: limit_diagnostics
-- Limits the next statements of this transaction, and returns the limits before.
select earlier.lock_timeout, earlier.statement_timeout, set_config('lock_timeout', '1s', true), set_config('statement_timeout', '10s', true)
from (select current_setting('lock_timeout') as lock_timeout, current_setting('statement_timeout') as statement_timeout offset 0) earlier

-- name: unlimit_diagnostics
select set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)
