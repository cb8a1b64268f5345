-- Schedules, their due times and file deliveries. All times are by this database's clock.

-- name: now
-- Never before the newest run, so that no due time runs twice when a clock is set back.
select greatest(clock_timestamp(), (select last_due_at from report_schedule where id = %(id)s))

-- name: count_of_maker
select count(*) from report_schedule where key_line(created_by) = key_line(%(created_by)s)

-- name: line_of_maker
select key_line(%(created_by)s)

-- name: insert
insert into report_schedule (id, name, cron, timezone, report, webhook_url, s3_prefix, channels, scope, due_at, created_by)
values (%(id)s, %(name)s, %(cron)s, %(timezone)s, %(report)s, %(webhook_url)s, %(s3_prefix)s, %(channels)s, %(scope)s, %(due_at)s,
    %(created_by)s)

-- name: list
select id, name, cron, timezone, report, webhook_url, s3_prefix, channels, scope, state, error, due_at, created_by, created_at
from report_schedule
where (%(id)s::uuid is null or id = %(id)s) and (%(before_id)s::uuid is null or id < %(before_id)s)
  and (%(scope)s::jsonb is null or scope @> %(scope)s::jsonb)
order by id desc
limit %(limit)s

-- name: lock
select from report_schedule
where id = %(id)s and (%(scope)s::jsonb is null or scope @> %(scope)s::jsonb) for update

-- name: change
update report_schedule
set name = %(name)s, cron = %(cron)s, timezone = %(timezone)s, report = %(report)s, webhook_url = %(webhook_url)s,
    s3_prefix = %(s3_prefix)s, channels = %(channels)s, state = %(state)s, error = case when %(state)s = 'failed' then error end,
    due_at = %(due_at)s
where id = %(id)s

-- name: delete
delete from report_schedule where id = %(id)s

-- name: list_runs
select run.due_at, run.fired_at, run.report_id, r.state as report_state, run.error,
    case when run.delivery = 'waiting' and r.state = 'failed' then 'failed' else run.delivery end as delivery,
    case when run.delivery = 'waiting' and r.state = 'failed' then 'the report failed' else run.delivery_error end
        as delivery_error,
    run.objects
from schedule_run run left join report r on r.id = run.report_id
where run.schedule_id = %(id)s
order by run.due_at desc
limit %(limit)s

-- name: anything_due
select exists (select from report_schedule where state = 'active' and due_at <= clock_timestamp())

-- name: take_due
-- The longest due schedule that no other scheduler holds. Only its id: a row that cannot be read must not hold up others.
select id from report_schedule
where state = 'active' and due_at <= clock_timestamp()
order by due_at
limit 1
for update skip locked

-- name: read_due
-- With whether its maker's key, or a successor, is valid.
select id, name, cron, timezone, report, webhook_url, s3_prefix, channels, scope, state, error, due_at, created_by, created_at,
    clock_timestamp() as now,
    (with recursive line as (
         select prefix, revoked_at, expires_at from api_key where prefix = s.created_by
         union
         select k.prefix, k.revoked_at, k.expires_at from api_key k join line on k.replaces = line.prefix
     )
     select exists (select from line where revoked_at is null and (expires_at is null or expires_at > clock_timestamp()))
    ) as key_lives
from report_schedule s where id = %(id)s

-- name: mark_failed
-- With a run that says why, unless that due time has one.
with failed as (
    update report_schedule
    set state = 'failed', error = %(error)s,
        due_at = case when isfinite(due_at) then due_at else clock_timestamp() end,
        last_due_at = case when isfinite(due_at) then greatest(due_at, last_due_at) else last_due_at end
    where id = %(id)s
    returning id, due_at
), run as (
    insert into schedule_run (schedule_id, due_at, error) select id, due_at, %(error)s from failed on conflict do nothing
)
select due_at from failed

-- name: advance
update report_schedule set due_at = %(next_due_at)s, last_due_at = %(due_at)s
where id = %(id)s and state = 'active' and due_at = %(was_due_at)s

-- name: insert_run
insert into schedule_run (schedule_id, due_at, report_id, error, delivery, delivery_prefix)
values (%(id)s, %(due_at)s, %(report_id)s, %(error)s, %(delivery)s, %(stem)s)

-- name: forget_runs
delete from schedule_run where schedule_id = %(id)s and due_at < %(due_at)s::timestamptz - %(keep)s and delivery <> 'waiting'

-- name: give_up_deliveries
update schedule_run run
set delivery = 'failed', delivery_error = 'the report was ' || r.state || coalesce('; ' || run.delivery_error, '')
from report r
where run.delivery = 'waiting' and r.id = run.report_id and r.state in ('canceled', 'expired')

-- name: claim_delivery
-- After a claim expires, another scheduler takes it and copies the same bytes to the same keys. `delivery_prefix` is the
-- beginning of these keys at the time of the run. Renaming the schedule later changes nothing.
update schedule_run run
set delivery_attempts = run.delivery_attempts + 1, delivery_due_at = clock_timestamp() + %(lease)s
from (
    select w.schedule_id, w.due_at, w.report_id
    from schedule_run w join report r on r.id = w.report_id
    where w.delivery = 'waiting' and w.delivery_due_at <= clock_timestamp() and r.state = 'succeeded'
    order by w.delivery_due_at
    limit 1
    for update of w skip locked
) due
where run.schedule_id = due.schedule_id and run.due_at = due.due_at
returning run.schedule_id, run.due_at, run.report_id, run.delivery_prefix as stem, run.delivery_attempts as attempt,
    (select array_agg(f.object order by f.kind desc, f.format) from report_file f where f.report_id = due.report_id) as objects,
    (select array_agg(f.kind order by f.kind desc, f.format) from report_file f where f.report_id = due.report_id) as kinds,
    (select array_agg(f.format order by f.kind desc, f.format) from report_file f where f.report_id = due.report_id) as formats,
    (select array_agg(f.size_bytes order by f.kind desc, f.format) from report_file f where f.report_id = due.report_id)
        as sizes_bytes,
    (select array_agg(f.sha256 order by f.kind desc, f.format) from report_file f where f.report_id = due.report_id) as sha256s

-- name: record_delivered
update schedule_run
set delivery = 'delivered', delivery_error = null, objects = %(objects)s
where schedule_id = %(schedule_id)s and due_at = %(due_at)s and delivery = 'waiting'

-- name: record_failure
update schedule_run
set delivery_error = %(error)s,
    delivery_due_at = clock_timestamp() + least(%(longest_pause)s, %(first_pause)s * 2 ^ least(delivery_attempts - 1, 20))
where schedule_id = %(schedule_id)s and due_at = %(due_at)s and delivery_attempts = %(attempt)s and delivery = 'waiting'
