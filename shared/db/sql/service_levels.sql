-- Service levels, and their evaluations by workers. `scope`: the labels to which the caller is limited; null: no limit.

-- name: set
-- Nothing is written over a level that has stores which the caller may not see.
insert into service_level (name, profile, target, labels, period, policy, unknown, excluded, caps, changed_by)
values (%(name)s, %(profile)s, %(target)s, %(labels)s, %(period)s, %(policy)s, %(unknown)s, %(excluded)s, %(caps)s,
    %(changed_by)s)
on conflict (name) do update
set profile = excluded.profile, target = excluded.target, labels = excluded.labels, period = excluded.period,
    policy = excluded.policy, unknown = excluded.unknown, excluded = excluded.excluded, caps = excluded.caps,
    changed_by = excluded.changed_by, changed_at = clock_timestamp(), due_at = clock_timestamp(),
    revision = service_level.revision + 1
where %(scope)s::jsonb is null or service_level.labels @> %(scope)s::jsonb

-- name: take_turns
select pg_advisory_xact_lock(hashtextextended('change of service levels', 0))

-- name: count_others
-- Those that limited keys set: of stores with the labels of the key. All others: of a key without a limit.
select count(*)
from service_level level left join api_key maker on maker.prefix = level.changed_by
where level.name <> %(name)s and case
    when %(scope)s::jsonb is null then maker.store_labels is null
    else maker.store_labels is not null and level.labels @> %(scope)s::jsonb
end

-- name: remove
delete from service_level where name = %(name)s and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb)

-- name: list
-- With the last evaluation of these terms; null until there is one.
select level.name, profile, target, labels, period, policy, unknown, excluded, caps, changed_by, changed_at,
    (select to_jsonb(result) from service_level_result result
     where result.name = level.name and result.ago = %(ago)s and result.revision = level.revision) as evaluation
from service_level level
where (%(name)s::text is null or level.name = %(name)s) and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb)
order by level.name

-- name: stores
-- Those that the caller may see now: labels of stores can have changed since.
select store.store_id, found.state, counted_us, down_us, last_counted_us, last_down_us, ahead_us, unknown_us, excluded_us,
    over_cap_us, days_missing
from service_level_store found join store using (store_key)
where found.name = %(name)s and found.ago = %(ago)s
    and (%(state)s::text is null or found.state = %(state)s)
    and (%(after_id)s::text is null or store.store_id > %(after_id)s)
    and (%(scope)s::jsonb is null or store.labels @> %(scope)s::jsonb)
order by store.store_id
limit %(limit)s

-- name: of_report
-- Both periods of each level, in total, and by store for the stores of a report; levels that the report's key may see. A
-- change of terms takes the numbers away until the next evaluation.
with chosen as materialized (
    select unnest(store_keys) as store_key from report_batch where report_id = %(report_id)s
    union all
    select store.store_key from report_batch b
    join store on store.store_id between b.first_id and b.last_id and store.polled_since_seq is not null
    where b.report_id = %(report_id)s and b.store_keys is null
), result as (
    select r.*, level.target from service_level level join service_level_result r using (name, revision)
    where %(scope)s::jsonb is null or level.labels @> %(scope)s::jsonb
)
select name as level, target, ago, first_day, last_day, through, as_of, evaluated_at, '' as store_id, state, counted_us,
    down_us, last_counted_us, last_down_us, ahead_us, days_missing
from result
union all
select name, target, ago, first_day, last_day, through, as_of, evaluated_at, store.store_id, found.state, found.counted_us,
    found.down_us, found.last_counted_us, found.last_down_us, found.ahead_us, found.days_missing
from result join service_level_store found using (name, ago) join chosen using (store_key) join store using (store_key)
order by level, ago, store_id

-- name: count_due
select count(*) from service_level where due_at <= clock_timestamp()

-- name: claim_due
-- One that no other worker has taken. If this worker dies, another one takes it after the lease.
update service_level set due_at = clock_timestamp() + %(lease)s
where name = (
    select name from service_level where due_at <= clock_timestamp() order by due_at limit 1 for update skip locked)
returning name, revision, target, labels, profile, period, policy, unknown, excluded, caps

-- name: is_evaluated
-- Whether nothing has changed since the last evaluation. Facts that were missing may be there now.
select exists (
    select from service_level_result
    where name = %(name)s and ago = 0 and revision = %(revision)s and data_cut = %(data_cut)s and as_of = %(as_of)s
        and days_missing = 0)

-- name: finish
update service_level set due_at = clock_timestamp() + %(every)s where name = %(name)s and revision = %(revision)s

-- name: confirm
update service_level_result set evaluated_at = clock_timestamp() where name = %(name)s and revision = %(revision)s

-- name: forget_results
delete from service_level_result where name = %(name)s

-- name: insert_result
insert into service_level_result (name, ago, first_day, last_day, through, as_of, data_cut, revision, state, counted_us,
    down_us, last_counted_us, last_down_us, ahead_us, days_missing, stores, stores_failed)
values (%(name)s, %(ago)s, %(first_day)s, %(last_day)s, %(through)s, %(as_of)s, %(data_cut)s, %(revision)s, %(state)s,
    %(counted_us)s, %(down_us)s, %(last_counted_us)s, %(last_down_us)s, %(ahead_us)s, %(days_missing)s, %(stores)s,
    %(stores_failed)s)

-- name: as_of
-- The newest poll, as in reports.
select coalesce(latest_observed_at, clock_timestamp()) from ledger_head

-- name: level_stores
-- A store that was never polled has no row in a report, and none in a service level.
select store_key, store_id, timezone from store
where polled_since_seq is not null and labels @> %(labels)s::jsonb
order by store_key

-- name: facts
-- One value of fixed-width records instead of a row per day: store, day since 1970, up, down, unknown, excluded.
select string_agg(
    int4send(store_key) || int4send(local_date - date '1970-01-01') || int8send(up_us) || int8send(down_us)
        || int8send(unknown_us) || int8send(excluded_us), ''::bytea)
from store_day
where policy = %(policy)s and store_key = any(%(store_keys)s) and local_date between %(first_day)s and %(last_day)s
