-- Reports by the calendar: what is due when, and what came of each due time.

create table report_schedule (
    id uuid primary key,
    name text not null check (length(name) between 1 and 100),
    cron text not null,
    timezone text not null,
    report jsonb not null, -- policy, detail, windows, formats, stores, as_of (latest or due)
    webhook_url text check (length(webhook_url) <= 2048),
    s3_prefix text check (length(s3_prefix) <= 200),
    scope jsonb, -- labels that its maker's key is limited to; null: every store
    state text not null default 'active' check (state in ('active', 'paused')),
    due_at timestamptz not null,
    last_due_at timestamptz, -- of the newest run: no due time comes twice, whatever the clock does
    created_by text not null,
    created_at timestamptz not null default clock_timestamp()
);
create index on report_schedule (due_at) where state = 'active';

-- One due time: its report, or why there is none, and the delivery of its files.
create table schedule_run (
    schedule_id uuid not null references report_schedule on delete cascade,
    due_at timestamptz not null,
    fired_at timestamptz not null default clock_timestamp(),
    report_id uuid references report on delete cascade,
    error text,
    delivery text not null default 'none' check (delivery in ('none', 'waiting', 'delivered', 'failed')),
    delivery_prefix text, -- the s3_prefix at that time
    delivery_due_at timestamptz not null default clock_timestamp(),
    delivery_attempts integer not null default 0,
    delivery_error text,
    objects text[] not null default '{}',
    primary key (schedule_id, due_at),
    check ((report_id is null) = (error is not null))
);
create index on schedule_run (delivery_due_at) where delivery = 'waiting';
create index on schedule_run (report_id);

grant select, insert, update, delete on report_schedule to uptill_api;
grant select on schedule_run to uptill_api;
grant select, update on report_schedule to uptill_worker;
grant select, insert, update, delete on schedule_run to uptill_worker;
grant select on report_schedule, schedule_run to uptill_readonly;
-- The scheduler accepts these reports itself, as the API does others.
grant insert on report, report_batch, report_webhook, webhook_delivery, audit to uptill_worker;
grant select (prefix, replaces, revoked_at, expires_at) on api_key to uptill_worker;
