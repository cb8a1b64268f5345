-- Events at the end of reports: who wants them, and each delivery with its state.

create table webhook_endpoint (
    id uuid primary key,
    url text not null check (length(url) <= 2048),
    events text[] not null check (cardinality(events) > 0),
    description text not null default '',
    secret text not null, -- signs, so it must be readable: only to the role that sends
    state text not null default 'enabled' check (state in ('enabled', 'disabled')),
    disabled_because text,
    failing_since timestamptz, -- first failure after the last success
    created_by text,
    created_at timestamptz not null default clock_timestamp()
);

-- What signs deliveries to the webhook_url of an API key's reports. The previous one signs too for a day.
create table webhook_secret (
    key_prefix text primary key references api_key on delete cascade,
    secret text not null,
    previous_secret text,
    made_at timestamptz not null default clock_timestamp()
);

-- The webhook_url of one request; several requests may share a report.
create table report_webhook (
    id uuid primary key,
    report_id uuid not null references report on delete cascade,
    url text not null check (length(url) <= 2048),
    key_prefix text not null references webhook_secret on delete cascade,
    unique (report_id, key_prefix, url)
);

create table webhook_delivery (
    id uuid primary key default gen_random_uuid(), -- the webhook-id, the same at every attempt
    endpoint_id uuid references webhook_endpoint on delete cascade,
    subscription_id uuid references report_webhook on delete cascade,
    report_id uuid not null references report on delete cascade,
    event text not null,
    payload text not null, -- the bytes that are signed
    state text not null default 'pending' check (state in ('pending', 'leased', 'delivered', 'failed')),
    attempt integer not null default 0, -- the fence
    round_attempt integer not null default 0, -- since it was made, or sent again by hand: sets the pause
    due_at timestamptz not null default clock_timestamp(),
    give_up_at timestamptz not null default clock_timestamp() + interval '24 hours',
    lease_until timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    check (num_nonnulls(endpoint_id, subscription_id) = 1),
    check ((state = 'leased') = (lease_until is not null))
);
create index on webhook_delivery (due_at) where state = 'pending';
create index on webhook_delivery (lease_until) where state = 'leased';
create index on webhook_delivery (endpoint_id, created_at desc);
create index on webhook_delivery (report_id);
create index on webhook_delivery (subscription_id);
create index on webhook_delivery (created_at desc, id);

create function report_event(p_report uuid) returns text language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
declare
    r record;
begin
    select * into strict r from report where id = p_report;
    return json_build_object(
        'type', 'report.' || r.state,
        'timestamp', to_char(r.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'data', json_build_object(
            'id', r.id, 'state', r.state, 'policy', r.policy, 'policy_version', r.policy_version,
            'as_of', to_char(r.as_of at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'data_cut', coalesce(r.read_cut, r.data_cut),
            'files', coalesce((select json_agg(json_build_object(
                                   'format', f.format, 'size_bytes', f.size_bytes, 'sha256', f.sha256, 'rows', f.rows)
                                   order by f.format)
                               from report_file f where f.report_id = r.id), '[]'),
            'error', case when r.state = 'failed' then r.error end))::text;
end $$;

-- Exactly the transitions, whoever makes them, in their transaction; at its end, when the report's files are known.
create function announce_report_end() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into webhook_delivery (endpoint_id, report_id, event, payload)
    select id, new.id, 'report.' || new.state, report_event(new.id)
    from webhook_endpoint where state = 'enabled' and 'report.' || new.state = any(events);
    insert into webhook_delivery (subscription_id, report_id, event, payload)
    select id, new.id, 'report.' || new.state, report_event(new.id)
    from report_webhook where report_id = new.id;
    return null;
end $$;
create constraint trigger report_ended after update of state on report
    deferrable initially deferred for each row
    when (old.state is distinct from new.state and new.state in ('succeeded', 'failed', 'canceled'))
    execute function announce_report_end();
revoke execute on function announce_report_end() from public;

-- The API writes secrets and cannot read them; the sender reads them.
grant select (id, url, events, description, state, disabled_because, failing_since, created_by, created_at), insert,
    update (state, disabled_because, failing_since), delete on webhook_endpoint to uptill_api;
grant select (key_prefix, secret, made_at), insert, update on webhook_secret to uptill_api; -- a new one moves the old aside
grant select, insert on report_webhook to uptill_api;
grant select, insert, update on webhook_delivery to uptill_api;
grant select, update on webhook_endpoint to uptill_worker;
grant select on webhook_secret, report_webhook to uptill_worker;
grant select, update, delete on webhook_delivery to uptill_worker;
grant select on webhook_delivery to uptill_readonly;
