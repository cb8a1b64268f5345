-- What changes the weekly hours of stores: dated hours, special hours, lifetimes, closures, and calendars of special dates.
-- A row holds from the change with the ledger number `since_seq` until the one with `until_seq`; null: it still holds. No
-- row is deleted, so a report reads the rows that held at its data cut.

-- The last change of these tables; 0 if there never was one, so that nothing needs to be read.
alter table ledger_head add column adjusted_seq bigint not null default 0;

-- Who changed them and when. `import_id` has no foreign key, because the row outlives the import.
create table adjustment_change (
    seq bigint primary key,
    import_id uuid not null,
    changed_by text, -- prefix of the API key; null: the command
    changed_at timestamptz not null default clock_timestamp()
);

create table dated_hours (
    store_key integer not null references store on delete cascade,
    effective_from date not null,
    intervals integer[] not null, -- day of the week, opening and closing second, and so on; empty: open around the clock
    since_seq bigint not null,
    until_seq bigint,
    primary key (store_key, effective_from, since_seq)
);

create table special_hours (
    store_key integer not null references store on delete cascade,
    date date not null,
    intervals integer[] not null, -- opening and closing second, and so on; empty: closed
    since_seq bigint not null,
    until_seq bigint,
    primary key (store_key, date, since_seq)
);

create table lifetime (
    store_key integer not null references store on delete cascade,
    opened_at timestamptz,
    closed_at timestamptz,
    since_seq bigint not null,
    until_seq bigint,
    primary key (store_key, since_seq),
    check (opened_at < closed_at)
);

-- `store_key` 0: every store that has the labels, which without labels is every store.
create table closure (
    id uuid not null,
    store_key integer not null default 0,
    labels jsonb not null default '{}',
    starts_at timestamptz not null,
    ends_at timestamptz,
    treatment text not null check (treatment in ('exclude', 'as_up', 'ignore')),
    reason text not null,
    note text not null default '',
    since_seq bigint not null,
    until_seq bigint,
    primary key (id, since_seq),
    check (starts_at < ends_at),
    check (store_key = 0 or labels = '{}')
);
create unique index closure_in_force on closure (store_key, labels, starts_at) where until_seq is null;

create table calendar (
    name text collate "C" not null,
    labels jsonb not null,
    dates jsonb not null, -- for each date its intervals: opening and closing second, and so on; empty: closed
    since_seq bigint not null,
    until_seq bigint,
    primary key (name, since_seq)
);

create unique index dated_hours_in_force on dated_hours (store_key, effective_from) where until_seq is null;
create unique index special_hours_in_force on special_hours (store_key, date) where until_seq is null;
create unique index lifetime_in_force on lifetime (store_key) where until_seq is null;
create unique index calendar_in_force on calendar (name) where until_seq is null;

-- What one change brought and what it ended.
create index on dated_hours (since_seq);
create index on dated_hours (until_seq);
create index on special_hours (since_seq);
create index on special_hours (until_seq);
create index on lifetime (since_seq);
create index on lifetime (until_seq);
create index on closure (since_seq);
create index on closure (until_seq);

grant select on adjustment_change, dated_hours, special_hours, lifetime, closure, calendar
    to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
grant insert on adjustment_change to uptill_ingest;
grant insert, update on dated_hours, special_hours, lifetime, closure, calendar to uptill_ingest;

alter table import drop constraint import_kind_check;
alter table import add constraint import_kind_check check (kind in (
    'polls', 'hours', 'timezones', 'labels', 'special_hours', 'lifetimes', 'closures', 'calendars', 'archive'));

alter table import_staged
    add column date date, -- of special hours, or from which hours apply
    add column begins timestamptz, -- of a lifetime or a closure
    add column ends timestamptz,
    add column details jsonb; -- of a closure: treatment, reason and note

-- Stores of a batch that have no row in its part, because they do not exist in any window.
alter table report_batch add column left_out integer not null default 0;
