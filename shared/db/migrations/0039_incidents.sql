-- Rules that say when to raise an incident, and the incidents. The scheduler evaluates the rules after each refresh of live state.

-- When the current span of an open store began.
alter table store_now add column open_from timestamptz;

create table alert_rule (
    name text collate "C" primary key,
    kind text not null check (kind in
        ('store_down', 'store_silent', 'feed_silent', 'group_down', 'late_opening', 'service_level_at_risk')),
    labels jsonb not null, -- of the stores; '{}': every store
    parameters jsonb not null,
    hold_open_minutes integer not null, -- an incident stays open for so long after its condition ended
    delivery jsonb not null, -- which channels are told, and when
    changed_by text, -- prefix of the API key
    changed_at timestamptz not null default clock_timestamp()
);

create table incident (
    id uuid primary key,
    rule text collate "C" not null, -- its name; the rule may be gone
    kind text not null,
    subject text collate "C" not null, -- the value of a group's label, the name of a service level; '': the store, or the feed
    store_key integer, -- of an incident of one store
    labels jsonb not null, -- of the stores that it is about, if it is about several
    state text not null check (state in ('open', 'acknowledged', 'resolved', 'withdrawn')),
    opened_at timestamptz not null,  -- instant of the evaluation, as all times here
    proved_at timestamptz not null,  -- last instant of the data that opened it: a change of data up to here can disprove it
    run_at timestamptz,              -- which run of polls it was seen in last
    since_earliest timestamptz,      -- the condition began after this instant; null: not known
    since_latest timestamptz not null, -- and at this instant at the latest
    calm_at timestamptz,             -- since when the condition does not hold; null: it holds
    ended_at timestamptz,
    cause text,                      -- why it ended; null: the condition did
    flaps integer not null default 0,
    evidence jsonb not null,
    acknowledged_at timestamptz,
    acknowledged_by text,
    reminders integer not null default 0, -- sent so far
    escalated_at timestamptz,
    check ((state in ('resolved', 'withdrawn')) = (ended_at is not null))
);
-- One incident per rule and subject, whoever evaluates.
create unique index incident_one_open on incident (rule, subject, coalesce(store_key, 0)) where state in ('open', 'acknowledged');
create index incident_store on incident (store_key);
create index incident_ended on incident (ended_at) where ended_at is not null;

-- Stores of an incident about several.
create table incident_member (
    incident_id uuid not null references incident on delete cascade,
    store_key integer not null,
    run_at timestamptz not null, -- the first inactive poll that was known when it joined
    joined_at timestamptz not null,
    left_at timestamptz,
    cause text, -- why it left
    primary key (incident_id, store_key)
);
create index on incident_member (store_key);

create table incident_event (
    id bigint generated always as identity primary key,
    incident_id uuid not null references incident on delete cascade,
    at timestamptz not null,
    kind text not null,
    actor text, -- prefix of the key; null: the evaluation
    details jsonb not null
);
create index on incident_event (incident_id, id);

-- What the last evaluation saw. Nothing is evaluated again while that is the same and no time can make a difference.
create table alert_evaluation (
    one boolean primary key default true check (one),
    seen text not null default '',
    as_of timestamptz,      -- instant of the live state
    evaluated_at timestamptz,
    next_at timestamptz     -- look again then, even if nothing is new; null: no need
);
insert into alert_evaluation default values;

create function us_of(p_at timestamptz) returns bigint language sql stable as $$
    select (extract(epoch from p_at) * 1000000)::bigint
$$;

-- What an evaluation would see now, and whether it is due. `as_of`: the oldest refresh of live state; null before the first one.
create view alert_clock as
select now_seen.as_of, now_seen.seen, work.has_work, done.evaluated_at,
    work.has_work and now_seen.as_of is not null
        and (done.seen <> now_seen.seen or coalesce(done.next_at <= now_seen.as_of, false)) as is_due
from alert_evaluation done
cross join (
    select case when bool_and(n.refreshed_at is not null) then min(n.refreshed_at) end as as_of,
        md5(coalesce(string_agg(n.seq || ' ' || n.made_by || us_of(n.committed_at) || us_of(n.changes_at), ',' order by b.batch_no), '')
            || (select concat(count(*), ' ', us_of(max(changed_at))) from alert_rule)
            || coalesce((select us_of(max(evaluated_at)) from service_level_result)::text, '')) as seen
    from report r join report_batch b on b.report_id = r.id
    left join now_batch n on n.report_id = b.report_id and n.batch_no = b.batch_no
    where r.kind = 'now'
) now_seen
cross join (
    select exists (select from alert_rule)
        or exists (select from incident where state in ('open', 'acknowledged')) as has_work
) work;
grant select on alert_clock to uptill_worker, uptill_readonly;

grant select, insert, update, delete on alert_rule to uptill_api;
grant select, update on incident to uptill_api;
grant select on incident_member, alert_evaluation to uptill_api;
grant select, insert on incident_event to uptill_api;
grant select on alert_rule, incident, incident_member, incident_event, alert_evaluation to uptill_readonly;
grant select on alert_rule to uptill_worker;
grant select, insert, update on incident_member, alert_evaluation to uptill_worker;
grant select, insert, update, delete on incident to uptill_worker;
grant select, insert on incident_event to uptill_worker;
