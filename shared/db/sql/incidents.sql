-- Evaluation of alert rules by the scheduler. Instants are microseconds since 1970; the lock is that of the plan of live state.

-- name: is_due
-- Without rules and incidents, live state is not looked at. While its batches are refreshed, the stores of a group may be known in
-- part only: then the last batch is waited for, but not for one that nobody refreshes.
select case when exists (select from alert_rule) or exists (select from incident where state in ('open', 'acknowledged'))
    then (select is_due from alert_clock) and coalesce((
        select min(b.due_since) < now() - %(patience)s
        from report r join report_batch b on b.report_id = r.id
        where r.kind = 'now' and (b.state = 'leased' or b.due_since <= now())), true)
    else false end

-- name: clock
select is_due, us_of(as_of) as as_of_us, seen from alert_clock

-- name: rules
select name, kind, labels, parameters, hold_open_minutes, delivery from alert_rule where not paused order by name

-- name: open
-- Incidents that have not ended, with their members as [[store, run], …].
select i.id, i.rule, i.subject, i.store_key, us_of(i.opened_at), us_of(i.proved_at), us_of(i.run_at), us_of(i.since_earliest),
    us_of(i.since_latest), us_of(i.calm_at), i.flaps,
    coalesce((select jsonb_agg(jsonb_build_array(m.store_key, us_of(m.run_at))) from incident_member m
        where m.incident_id = i.id and m.left_at is null), '[]'),
    exists (select from incident_member m where m.incident_id = i.id and m.left_at is not null and m.cause <> 'late_data'),
    i.kind, i.acknowledged_at is not null, i.reminders, i.escalated_at is not null
from incident i
where i.state in ('open', 'acknowledged')
order by i.opened_at, i.id

-- name: stores
-- Those that are down or silent, and those of open incidents.
select n.store_key, s.labels, n.state, us_of(n.since_earliest), us_of(n.since_latest), us_of(n.last_poll_at), us_of(n.hours_from),
    us_of(n.open_from), us_of(n.open_until), n.inactive_polls,
    n.down_open_us + case when n.state = 'down' then greatest(%(as_of_us)s - us_of(n.counted_at), 0) else 0 end,
    n.usual_gap_us
from store_now n join store s using (store_key)
where n.state in ('down', 'silent') or n.store_key = any(%(store_keys)s)
order by n.store_key

-- name: count_by_value
-- Stores of each value of a label: open ones, and of these those that are up.
select s.labels ->> %(by)s, count(*), count(*) filter (where n.state = 'up')
from store_now n join store s using (store_key)
where n.state in ('up', 'down', 'unknown', 'silent') and s.labels @> %(labels)s and s.labels ? %(by)s
group by 1

-- name: count_any_label
-- The same of each value of every label, as NAME=VALUE.
select concat(label.key, '=', label.value), count(*), count(*) filter (where n.state = 'up')
from store_now n join store s using (store_key)
cross join lateral jsonb_each_text(s.labels) label
where n.state in ('up', 'down', 'unknown', 'silent') and s.labels @> %(labels)s
group by 1

-- name: count_stores
select count(*), count(*) filter (where n.state = 'up')
from store_now n join store s using (store_key)
where n.state in ('up', 'down', 'unknown', 'silent') and s.labels @> %(labels)s

-- name: usual_rates
-- What the last run of insights says; the fleet's rate has no label.
select case when label_name = '' then '' else concat(label_name, '=', label_value) end, per_hour from outage_rate

-- name: feed
-- The same rule as `WatchedStore.is_quiet`.
select count(*), count(*) filter (where quiet), us_of(max(last_poll_at) filter (where quiet))
from (
    select n.last_poll_at,
        n.last_poll_at is not null and case
            when n.usual_gap_us is null then n.state = 'silent'
            else %(as_of_us)s - us_of(greatest(n.last_poll_at, n.open_from))
                >= least(greatest(%(missed_polls)s * n.usual_gap_us, 300000000), 86400000000)
        end as quiet
    from store_now n join store s using (store_key)
    where n.state in ('up', 'down', 'unknown', 'silent') and s.labels @> %(labels)s
) open_stores

-- name: level_state
select state from service_level_result where name = %(name)s and ago = 0

-- name: insert_incident
insert into incident (id, rule, kind, subject, store_key, labels, state, opened_at, proved_at, run_at, since_earliest,
    since_latest, evidence)
values (%(id)s, %(rule)s, %(kind)s, %(subject)s, %(store_key)s, %(labels)s, 'open', instant_of(%(opened_us)s),
    instant_of(%(proved_us)s), instant_of(%(run_us)s), instant_of(%(earliest_us)s), instant_of(%(latest_us)s), %(evidence)s)

-- name: update_incident
-- A caller may acknowledge it at the same time, which changes nothing here.
update incident
set run_at = instant_of(%(run_us)s), since_earliest = instant_of(%(earliest_us)s), since_latest = instant_of(%(latest_us)s),
    calm_at = instant_of(%(calm_us)s), flaps = %(flaps)s, evidence = evidence || %(evidence)s,
    state = coalesce(%(ended_as)s, state), cause = %(cause)s,
    ended_at = case when %(ended_as)s::text is not null then instant_of(%(now_us)s) end
where id = %(id)s and state in ('open', 'acknowledged')

-- name: join_member
insert into incident_member (incident_id, store_key, run_at, joined_at)
values (%(id)s, %(store_key)s, instant_of(%(run_us)s), instant_of(%(now_us)s))
on conflict (incident_id, store_key) do update
set run_at = excluded.run_at, joined_at = excluded.joined_at, left_at = null, cause = null

-- name: leave_member
update incident_member set left_at = instant_of(%(now_us)s), cause = %(cause)s
where incident_id = %(id)s and store_key = %(store_key)s and left_at is null

-- name: insert_event
insert into incident_event (incident_id, at, kind, details) values (%(id)s, instant_of(%(now_us)s), %(kind)s, %(details)s)

-- name: note_reminder
update incident set reminders = %(reminders)s, escalated_at = case when %(escalated)s then now() end where id = %(id)s

-- name: store_names
-- A store without a zone has the default one.
select store_key, store_id, coalesce(timezone, 'America/Chicago'), display_name from store where store_key = any(%(store_keys)s)

-- name: finish
update alert_evaluation
set seen = %(seen)s, as_of = instant_of(%(as_of_us)s), evaluated_at = clock_timestamp(),
    next_at = case when %(has_more)s then instant_of(%(as_of_us)s + 1) end

-- name: forget
delete from incident
where id in (select id from incident where ended_at < clock_timestamp() - %(keep)s order by ended_at limit %(limit)s)
