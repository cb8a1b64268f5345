-- Alert rules and incidents as callers see them. `scope`: the labels to which the caller is limited; null: no limit.

-- name: lock
-- An evaluation that runs reads either the rules before a change or those after it. The lock is that of the plan of live state.
select pg_advisory_xact_lock(hashtextextended('uptill.now', 0))

-- name: count_others
select count(*) from alert_rule where name <> %(name)s

-- name: unknown_channels
select given from unnest(%(channels)s::text[]) given where not exists (select from channel where name = given) order by 1

-- name: set_rule
insert into alert_rule (name, kind, labels, parameters, hold_open_minutes, delivery, paused, changed_by)
values (%(name)s, %(kind)s, %(labels)s, %(parameters)s, %(hold_open_minutes)s, %(delivery)s, %(paused)s, %(changed_by)s)
on conflict (name) do update
set kind = excluded.kind, labels = excluded.labels, parameters = excluded.parameters,
    hold_open_minutes = excluded.hold_open_minutes, delivery = excluded.delivery, paused = excluded.paused,
    changed_by = excluded.changed_by, changed_at = clock_timestamp()

-- name: remove_rule
delete from alert_rule where name = %(name)s

-- name: list_rules
select name, kind, labels, parameters, hold_open_minutes, delivery, paused, changed_by, changed_at,
    (select count(*) from incident where rule = alert_rule.name and state in ('open', 'acknowledged')) as open_incidents
from alert_rule
where (%(name)s::text is null or name = %(name)s) and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb)
order by name

-- name: end_incidents
-- Of a rule that was removed or paused (`kind` null), or is of another kind now. No message is queued.
with ended as (
    update incident set state = 'resolved', ended_at = clock_timestamp(), cause = %(cause)s
    where rule = %(name)s and state in ('open', 'acknowledged') and kind is distinct from %(kind)s
    returning id
)
insert into incident_event (incident_id, at, kind, actor, details)
select id, clock_timestamp(), 'resolved', %(changed_by)s, jsonb_build_object('cause', %(cause)s::text) from ended

-- name: count_open
-- As `list_incidents` would show them.
select count(*) from incident i left join store s on s.store_key = i.store_key
where i.state in ('open', 'acknowledged') and (
    %(scope)s::jsonb is null or coalesce(s.labels, i.labels) @> %(scope)s::jsonb or exists (
        select from incident_member m join store ms using (store_key)
        where m.incident_id = i.id and ms.labels @> %(scope)s::jsonb))

-- name: list_incidents
-- An incident about several stores is shown whole to those who may see all of its stores, else with the stores that they may see.
with seen as (
    select i.*, s.store_id,
        %(scope)s::jsonb is null or coalesce(s.labels, i.labels) @> %(scope)s::jsonb as is_whole,
        (select count(*) from incident_member m join store ms using (store_key)
         where m.incident_id = i.id and m.left_at is null and (%(scope)s::jsonb is null or ms.labels @> %(scope)s::jsonb))
            as members
    from incident i left join store s on s.store_key = i.store_key
    where (%(id)s::uuid is null or i.id = %(id)s)
      and (%(before_id)s::uuid is null or i.id < %(before_id)s)
      and (%(states)s::text[] is null or i.state = any(%(states)s::text[]))
      and (%(kinds)s::text[] is null or i.kind = any(%(kinds)s::text[]))
      and (%(rule)s::text is null or i.rule = %(rule)s)
      and (%(store_id)s::text is null or s.store_id = %(store_id)s or exists (
          select from incident_member m join store ms using (store_key)
          where m.incident_id = i.id and ms.store_id = %(store_id)s
            and (%(scope)s::jsonb is null or ms.labels @> %(scope)s::jsonb)))
      and (%(text)s::text is null or position(lower(%(text)s) in lower(concat_ws(' ', i.rule, i.subject, s.store_id))) > 0
          or exists (
              select from incident_member m join store ms using (store_key)
              where m.incident_id = i.id and position(lower(%(text)s) in lower(ms.store_id)) > 0
                and (%(scope)s::jsonb is null or ms.labels @> %(scope)s::jsonb)))
)
select id, rule, kind, subject, store_id, state, opened_at, since_earliest, since_latest, calm_at, ended_at, cause, flaps,
    case when is_whole then evidence else '{}' end as evidence, acknowledged_at,
    case when is_whole then acknowledged_by end as acknowledged_by, members, is_whole
from seen
where is_whole or exists (
    select from incident_member m join store ms using (store_key)
    where m.incident_id = seen.id and ms.labels @> %(scope)s::jsonb)
order by id desc
limit %(limit)s

-- name: members
select s.store_id, m.joined_at, m.left_at, m.cause
from incident_member m join store s using (store_key)
where m.incident_id = %(id)s and (%(scope)s::jsonb is null or s.labels @> %(scope)s::jsonb)
order by m.left_at is not null, s.store_id
limit %(limit)s

-- name: events
select at, kind, actor, details
from (select * from incident_event where incident_id = %(id)s order by id desc limit %(limit)s) newest
order by id

-- name: count_notes
select count(*) from incident_event where incident_id = %(id)s and kind = 'noted'

-- name: acknowledge
update incident set state = 'acknowledged', acknowledged_at = clock_timestamp(), acknowledged_by = %(by)s
where id = %(id)s and state = 'open'

-- name: add_event
insert into incident_event (incident_id, at, kind, actor, details)
values (%(id)s, clock_timestamp(), %(kind)s, %(by)s, %(details)s)
