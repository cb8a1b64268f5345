-- Metrics from the database. Each statement is named after its metric (without `uptill_`) and returns rows of label values
-- and a number. All are read in one snapshot. Ages are by this database's clock.

-- name: reports
select state, count(report.state)
from unnest('{queued,running,succeeded,failed,canceled,expired}'::text[]) state
left join (select state from report where kind = 'report') report using (state)
group by state

-- name: report_latency_seconds
-- Reports per latency bucket (from 0; the last bucket has no end), and the sum of their seconds.
select bucket, sum(reports)::bigint, sum(seconds)
from (
    select width_bucket(seconds, %(buckets)s::float8[]) as bucket, 1 as reports, seconds
    from report, lateral (select extract(epoch from finished_at - created_at)::float8 as seconds) latency
    where state in ('succeeded', 'expired') and kind = 'report'
    union all
    select bucket, reports, seconds from forgotten_latency
) ended
group by bucket

-- name: oldest_open_report_age_seconds
select coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8
from report where state in ('queued', 'running') and kind = 'report'

-- name: batches
select state, count(open_batch.state)
from unnest('{pending,leased,done,dead}'::text[]) state
left join (
    select b.state from report_batch b join report r on r.id = b.report_id
    where r.state in ('queued', 'running') and r.kind <> 'now'
) open_batch using (state)
group by state

-- name: present_workers
select count(*) from present_worker

-- name: due_batches
select count(*) from due_batch

-- name: oldest_due_batch_age_seconds
select coalesce(extract(epoch from clock_timestamp() - min(due_since)), 0)::float8
from due_batch join report on report.id = report_id where kind = 'report'

-- name: imports_total
-- An interrupted import has not ended: it continues when its source is loaded again.
select kind, state, coalesce(sum(imports), 0)::bigint
from unnest(
    '{polls,hours,timezones,labels,special_hours,lifetimes,closures,calendars,stores,unknown}'::text[]) kind
cross join unnest('{succeeded,stopped,failed,canceled}'::text[]) state
left join (
    select coalesce(kind, 'unknown') as kind, state, 1 as imports from import
    where kind is distinct from 'archive' and finished_at is not null and error ->> 'reason' is distinct from 'fault'
    union all
    select kind, state, imports from forgotten_import
) ended using (kind, state)
group by kind, state

-- name: open_imports
select state, count(open_import.state)
from unnest('{queued,running,interrupted}'::text[]) state
left join (
    select case when error ->> 'reason' = 'fault' then 'interrupted' else state end as state
    from import
    where kind is distinct from 'archive' and (finished_at is null or error ->> 'reason' = 'fault')
) open_import using (state)
group by state

-- name: oldest_queued_import_age_seconds
select coalesce(max(waited_s), 0)::float8 from upload_wait

-- name: import_rows_total
select counts.kind, outcome, rows
from (
    select kind, coalesce(sum(accepted), 0)::bigint as accepted, coalesce(sum(duplicate), 0)::bigint as duplicate,
        coalesce(sum(corrected), 0)::bigint as corrected, coalesce(sum(rejected), 0)::bigint as rejected
    from unnest(
        '{polls,hours,timezones,labels,special_hours,lifetimes,closures,calendars,stores}'::text[]) kind
    left join (
        select kind, accepted, duplicate, corrected, rejected from import
        union all
        select kind, accepted, duplicate, corrected, rejected from forgotten_import
    ) seen using (kind)
    group by kind
) counts, lateral (values
    ('accepted', accepted), ('duplicate', duplicate), ('corrected', corrected), ('rejected', rejected)
) counted (outcome, rows)

-- name: newest_poll_age_seconds
select extract(epoch from clock_timestamp() - latest_observed_at)::float8
from ledger_head where latest_observed_at is not null

-- name: stores
select count(*) from store where first_polled_at is not null

-- name: live_stores
select state, count(store_now.state)
from unnest('{up,down,unknown,silent,closed,excluded,ended}'::text[]) state left join store_now using (state)
group by state

-- name: live_age_seconds
select coalesce(extract(epoch from clock_timestamp() - min(refreshed_at)), 0)::float8 from now_batch

-- name: schedules
select state, count(report_schedule.state)
from unnest('{active,paused,failed}'::text[]) state left join report_schedule using (state)
group by state

-- name: failed_stores
-- In the newest report for each choice of stores, so that a report made after a repair counts at once.
select count(distinct store_id) from newest_failed_store

-- name: tzdata_versions
-- Sessions announce the database of their process in their name.
select count(distinct substring(application_name from 'tzdata=([^ ]+)')) from pg_stat_activity
where datname = current_database() and starts_with(application_name, 'uptill-')

-- name: oldest_due_schedule_age_seconds
select greatest(coalesce(extract(epoch from clock_timestamp() - min(due_at)), 0), 0)::float8
from report_schedule where state = 'active'

-- name: file_deliveries
-- Without deliveries whose report has not ended, or has failed and may be retried.
select state, count(run.delivery)
from unnest('{waiting,delivered,failed}'::text[]) state
left join (
    select s.delivery from schedule_run s join report r on r.id = s.report_id
    where s.delivery <> 'waiting' or r.state = 'succeeded'
) run on run.delivery = state
group by state

-- name: oldest_file_delivery_age_seconds
select coalesce(extract(epoch from clock_timestamp() - min(r.finished_at)), 0)::float8
from schedule_run s join report r on r.id = s.report_id
where s.delivery = 'waiting' and r.state = 'succeeded'

-- name: webhook_endpoints
select state, count(endpoint.now)
from unnest('{working,failing,disabled}'::text[]) state
left join (
    select case when state = 'disabled' then state when failing_since is null then 'working' else 'failing' end as now
    from webhook_endpoint
) endpoint on endpoint.now = state
group by state

-- name: webhook_deliveries
select state, count(webhook_delivery.state)
from unnest('{pending,leased,delivered,failed}'::text[]) state left join webhook_delivery using (state)
group by state

-- name: oldest_webhook_age_seconds
select coalesce(extract(epoch from clock_timestamp() - min(d.created_at)), 0)::float8
from webhook_delivery d left join webhook_endpoint e on e.id = d.endpoint_id
where d.state in ('pending', 'leased') and e.state is distinct from 'disabled'

-- name: incidents
select kind, state, count(incident.id)
from unnest('{store_down,store_silent,feed_silent,group_down,late_opening,service_level_at_risk}'::text[]) kind
cross join unnest('{open,acknowledged}'::text[]) state
left join incident using (kind, state)
group by kind, state

-- name: alert_evaluation_lag_seconds
select case
    when not has_work then 0
    when is_due or as_of is null
        then extract(epoch from clock_timestamp() - coalesce(evaluated_at, (select min(changed_at) from alert_rule)))
    else extract(epoch from clock_timestamp() - as_of) end::float8
from alert_clock

-- name: service_level_target
select name, target from service_level

-- name: service_level_achieved
-- Here and below: the current period, by its last evaluation.
select name, (counted_us - down_us)::float8 / counted_us from service_level_result where ago = 0 and counted_us > 0

-- name: service_level_budget_seconds
select name, (1 - target) * (counted_us + ahead_us) / 1e6
from service_level_result join service_level using (name) where ago = 0

-- name: service_level_used_seconds
select name, down_us / 1e6 from service_level_result where ago = 0

-- name: service_level_burn_rate
select name, last_down_us::float8 / last_counted_us / (1 - target)
from service_level_result join service_level using (name)
where ago = 0 and last_counted_us > 0 and target < 1

-- name: service_level_stores
select name, counted.state, counted.number::float8
from service_level_result, lateral jsonb_each_text(stores) counted (state, number)
where ago = 0

-- name: service_level_missing_days
select name, days_missing from service_level_result where ago = 0

-- name: service_level_age_seconds
select name, extract(epoch from clock_timestamp() - evaluated_at)::float8 from service_level_result where ago = 0

-- name: silent_stores
-- One index search per store in the newest weeks: the cost grows with the stores, not with the polls. These weeks are
-- not sealed, unless `silent_after` is longer than anybody waits for a poll.
select count(*) from store
where first_polled_at is not null and not exists (
    select from observation o
    where o.store_key = store.store_key
      and o.observed_at > (select latest_observed_at - %(silent_after)s::interval from ledger_head))
    and not exists (
        select from sealed_store s
        where s.store_key = store.store_key
          and s.last_at > (select latest_observed_at - %(silent_after)s::interval from ledger_head))

-- name: sealed_weeks
select state, count(sealed_week.starts_at)
from (values ('sealed'), ('wanted')) known (state)
left join sealed_week on opened_at is null and (wanted_at is not null) = (state = 'wanted')
group by state

-- name: sealed_polls
select coalesce(sum(rows), 0)::float8 from sealed_week where opened_at is null

-- name: sealed_bytes
select coalesce(sum(size_bytes), 0)::float8 from sealed_week where opened_at is null

-- name: oldest_wanted_week_age_seconds
select coalesce(max(extract(epoch from clock_timestamp() - wanted_at)), 0)::float8 from sealed_week where opened_at is null

-- name: channel_oldest_message_seconds
select coalesce(extract(epoch from clock_timestamp() - min(at)), 0)
from (
    select min(created_at) as at from channel_message where state in ('pending', 'leased')
    union all
    select min(greatest(not_before, queued_at)) from channel_event
    where message_id is null and not_before <= clock_timestamp()
) waiting
