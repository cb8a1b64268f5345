-- Channels: where messages about incidents and reports go. Events wait, and are sent together as messages.

create table channel (
    name text collate "C" primary key,
    kind text not null check (kind in ('webhook', 'email', 'chat')),
    destination jsonb not null, -- a secret: only the role that sends reads it
    secret text, -- signs the messages of a webhook
    shown text not null, -- what answers show of the destination
    per_minute integer not null check (per_minute > 0),
    attach boolean not null, -- whether small files are attached
    spent_at timestamptz not null default '-infinity', -- each attempt moves it on; in the future: the rate is used up
    changed_by text, -- prefix of the API key
    changed_at timestamptz not null default clock_timestamp()
);

-- One sending to one channel. Its events are fixed by its first attempt.
create table channel_message (
    id uuid primary key default gen_random_uuid(), -- the same at every attempt: receivers may drop repetitions
    channel text collate "C" not null references channel on delete cascade,
    topic text collate "C" not null check (length(topic) <= 200),
    state text not null default 'pending' check (state in ('pending', 'leased', 'delivered', 'failed')),
    attempt integer not null default 0, -- the fence
    due_at timestamptz not null default clock_timestamp(),
    give_up_at timestamptz not null default clock_timestamp() + interval '24 hours',
    lease_until timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    check ((state = 'leased') = (lease_until is not null))
);
create index channel_message_under_way on channel_message (channel, topic) where state in ('pending', 'leased');
create index channel_message_newest on channel_message (channel, created_at desc);
create index on channel_message (ended_at);

-- Something to tell. Waiting events of one channel and topic become one message.
create table channel_event (
    id uuid not null, -- made from the sender's idempotency id
    channel text collate "C" not null references channel on delete cascade,
    topic text collate "C" not null check (length(topic) <= 200),
    event text not null,
    notice jsonb not null,
    not_before timestamptz not null default '-infinity', -- quiet hours, digests, reminders
    queued_at timestamptz not null default clock_timestamp(),
    message_id uuid references channel_message on delete cascade,
    primary key (channel, id)
);
create index channel_event_waiting on channel_event (channel, topic) where message_id is null;
create index on channel_event (message_id);

-- The API writes destinations and cannot read them; the sender reads them.
grant select (name, kind, shown, per_minute, attach, changed_by, changed_at), insert, delete,
    update (kind, destination, secret, shown, per_minute, attach, changed_by, changed_at) on channel to uptill_api;
grant select, insert on channel_message to uptill_api;
grant select, insert, delete on channel_event to uptill_api;
grant select, update (spent_at) on channel to uptill_worker;
grant select, insert, update, delete on channel_message, channel_event to uptill_worker;
grant select on channel_message, channel_event to uptill_readonly;

-- Schedules tell channels about the end of their reports.
alter table report_schedule add column channels text[] not null default '{}';

-- As for webhooks: exactly the transitions, whoever makes them, at the end of their transaction.
create function tell_channels_of_report() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into channel_event (id, channel, topic, event, notice)
    select gen_random_uuid(), c.name, 'report ' || new.id, 'report.' || new.state,
        jsonb_build_object('event', 'report.' || new.state, 'what', s.name, 'subject_id', new.id)
    from schedule_run run
    join report_schedule s on s.id = run.schedule_id
    join channel c on c.name = any(s.channels)
    where run.report_id = new.id
    for key share of c;
    return null;
end $$;
create constraint trigger report_ended_for_channels after update of state on report
    deferrable initially deferred for each row
    when (old.state is distinct from new.state and new.state in ('succeeded', 'failed'))
    execute function tell_channels_of_report();
revoke execute on function tell_channels_of_report() from public;
