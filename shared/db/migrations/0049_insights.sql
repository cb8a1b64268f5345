-- Insights: the hours of the last eight weeks of each store, and what the last run concluded from them. Jobs of kind
-- `insights` write them, as batches like those of reports. All of it can be computed again from polls.

alter table report drop constraint report_kind_check, drop constraint report_days;
alter table report
    add constraint report_kind_check check (
        kind in ('report', 'facts', 'facts_export', 'now', 'seal', 'unseal', 'insights')),
    add constraint report_days check (
        (kind in ('facts', 'facts_export', 'seal', 'unseal', 'insights')) = coalesce(first_day <= last_day, false));

-- One row per store, so that eight weeks of a fleet are read in one pass.
create table store_hours (
    store_key integer primary key,
    last_day date not null,  -- the hours end with this local date
    seq bigint not null,     -- ledger number of the data that they hold for
    made_by text not null,   -- rule and time zones that computed them
    minutes bytea not null,  -- a ring of 1,344 hours, a byte for each: up minutes, then down, then unknown
    coming bytea not null    -- open minutes of the local hours after last_day
) with (fillfactor = 50);

-- The methods of the last run, with their scores on the last four weeks of this fleet.
create table insight_skill (
    method text primary key, -- `risk_1h` and others, `patterns`
    run_id uuid not null,
    as_of timestamptz not null,
    is_on boolean not null,
    reason text,             -- why it is off
    hours bigint not null,   -- how many hours or windows were scored
    scores jsonb not null    -- skill by reference, calibration, precision
);

-- What predicts the hours of a store after the last run.
create table store_risk (
    store_key integer primary key,
    run_id uuid not null,
    rates bytea not null,          -- big-endian 16-bit numbers, 1/65535 each: the rate of each hour of the local week
    last_down real not null,       -- the share of the last known hour that was down, and what was predicted for it
    last_rate real not null,
    group_rate real not null,
    store_rate real not null,
    expected_hours real not null,  -- without the last known hour: of the next open hours after the run
    driver text not null
);
create index on store_risk (expected_hours desc, store_key);

-- Findings of the last run. They are replaced as a whole.
create table insight_finding (
    id bigint generated always as identity primary key,
    run_id uuid not null,
    kind text not null check (kind in ('pattern', 'cause', 'drift')),
    place integer not null,        -- within its kind, the most certain first
    store_key integer,             -- null: about a label
    label_name text,
    label_value text,
    sentence text not null,
    evidence jsonb not null,
    check ((store_key is null) = (label_name is not null)),
    check ((label_name is null) = (label_value is null)),
    unique (kind, place)
);

grant select on store_hours, insight_skill, store_risk, insight_finding to uptill_api, uptill_readonly;
grant select, insert, update, delete on store_hours, insight_skill, store_risk, insight_finding to uptill_worker;
