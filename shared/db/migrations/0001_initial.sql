-- The data model of DESIGN: stores, hours, polls, the import ledger, reports and their batches, API keys.

-- One row: the number and the newest poll of the last committed change of data. Every transaction that changes stores,
-- hours, zones or polls ends by incrementing seq; the row lock is held until COMMIT, so seq grows in commit order and
-- one value of seq, read in a snapshot, names exactly the data of that snapshot (the data cut of a report).
create table ledger_head (
    only_row boolean primary key default true check (only_row),
    seq bigint not null default 0,
    latest_observed_at timestamptz
);
insert into ledger_head default values;

create table store (
    store_key integer generated always as identity primary key,
    store_id text collate "C" not null unique check (octet_length(store_id) between 1 and 1024),
    timezone text,
    first_polled_at timestamptz,
    -- ledger number that brought the first accepted poll; a report holds the stores with polled_since_seq <= its data cut
    polled_since_seq bigint,
    labels jsonb not null default '{}'
) with (fillfactor = 50); -- a load updates rows several times, which is cheaper where the new one fits its page

create table business_hours (
    store_key integer not null references store on delete cascade,
    day_of_week smallint not null check (day_of_week between 0 and 6), -- 0 = Monday
    opens integer not null check (opens between 0 and 86399),          -- seconds of the local day
    closes integer not null check (closes between 0 and 86399),
    primary key (store_key, day_of_week, opens, closes)
);

-- No foreign key to store: it would cost a lookup for each of millions of polls, and only ingest writes here.
-- The unique key (store_key, observed_at) belongs to each partition, not to this table, so that a bulk load can fill a
-- new week first and build its key after: measured 4 times faster than keeping the key up row by row. A partition without
-- key is written by the one import that made it, which puts no poll there twice; any other writer builds the key before
-- it writes (services/ingest/write/polls.py).
create table observation (
    store_key integer not null,
    observed_at timestamptz not null,
    is_active boolean not null
) partition by range (observed_at);

-- Makes the partition of the week (Monday 00:00 UTC) that holds p_at and returns its name; false where it stood already.
-- Created apart and then attached: that does not block those who read observation.
-- Security definer: the ingest role may add partitions without owning the table.
create function ensure_observation_partition(
    p_at timestamptz, p_keyed boolean default true, out partition_name text, out created boolean)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    monday timestamp := date_trunc('week', p_at at time zone 'UTC');
begin
    partition_name := 'observation_' || to_char(monday, 'IYYY"w"IW');
    created := false;
    if to_regclass('public.' || partition_name) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('public.' || partition_name, 0));
    if to_regclass('public.' || partition_name) is null then
        execute format('create table public.%I (like public.observation)', partition_name);
        if p_keyed then
            execute format(
                'create unique index %I on public.%I (store_key, observed_at)', partition_name || '_key', partition_name);
        end if;
        execute format(
            'alter table public.observation attach partition public.%I for values from (%L) to (%L)',
            partition_name, monday at time zone 'UTC', (monday + interval '7 days') at time zone 'UTC');
        created := true;
    end if;
end $$;

-- Builds the key of a partition; false where it stood already.
create function ensure_observation_key(p_partition text) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if to_regclass('public.' || p_partition || '_key') is not null then
        return false;
    end if;
    if not exists (select from pg_inherits where inhparent = 'public.observation'::regclass
                   and inhrelid = to_regclass('public.' || p_partition)) then
        raise exception '% is no partition of observation', p_partition using errcode = 'undefined_table';
    end if;
    execute format('create unique index %I on public.%I (store_key, observed_at)', p_partition || '_key', p_partition);
    return true;
end $$;

-- One source of rows: a file, an object, an upload. An archive is an import of its own, whose members name it as parent
-- and hold the counts.
create table import (
    id uuid primary key,
    parent_id uuid references import on delete cascade,
    kind text check (kind in ('polls', 'hours', 'timezones', 'archive')), -- null until the header is read
    source text not null,
    sha256 bytea,     -- of the whole source, once it was read to its end
    size_bytes bigint,
    state text not null default 'running'
        check (state in ('queued', 'running', 'succeeded', 'stopped', 'failed')),
    same_as uuid references import on delete set null, -- the earlier import of the same bytes; this one changed nothing
    rows_read bigint not null default 0,
    accepted bigint not null default 0,
    duplicate bigint not null default 0,
    corrected bigint not null default 0,
    rejected bigint not null default 0,
    cut_fractions bigint not null default 0, -- of the valid polls: instants given finer than a microsecond
    quality jsonb, -- the report on the data, made at the end
    error jsonb,
    created_by text, -- prefix of the API key
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    check (rows_read = accepted + duplicate + corrected + rejected)
);
create index on import (sha256);
create index on import (size_bytes); -- a source is hashed ahead only where one of its size was loaded before
create index on import (source) where state in ('running', 'failed'); -- the interrupted ones are looked for
create index on import (started_at desc, id);
create index on import (parent_id) where parent_id is not null;

-- One committed stretch of an import; written in the transaction that wrote its rows.
create table import_chunk (
    import_id uuid not null references import on delete cascade,
    chunk_no integer not null,
    first_byte bigint not null,
    end_byte bigint not null check (end_byte >= first_byte),
    end_line bigint not null default 0,  -- lines of the source before end_byte
    prefix_sha256 bytea,                 -- of the source's bytes before end_byte: what a resumed import must find again
    commit_seq bigint not null unique,
    min_at timestamptz, -- of the polls that changed data; null when none did
    max_at timestamptz,
    committed_at timestamptz not null default clock_timestamp(),
    primary key (import_id, chunk_no)
);

create table import_reject (
    import_id uuid not null references import on delete cascade,
    line bigint not null check (line >= 1),
    byte_offset bigint not null,
    reason text not null,
    raw bytea not null check (octet_length(raw) <= 1024),
    primary key (import_id, line)
);

-- Polls for partitions without key that their import may have written before; settled when the key is built.
create table import_pending (
    position bigint generated always as identity primary key, -- the order of delivery
    import_id uuid not null references import on delete cascade,
    store_key integer not null,
    observed_at timestamptz not null,
    first_active boolean not null, -- of a run of polls of one store and instant in one chunk
    is_active boolean not null     -- the last of the run
);

-- Valid rows of hours and zones files, until the whole file is applied at its end. No foreign key: a file has millions.
create table import_staged (
    position bigint generated always as identity primary key, -- the order of the file
    import_id uuid not null,
    store_id text collate "C" not null,
    day_of_week smallint, -- hours
    opens integer,
    closes integer,
    timezone text         -- zones
);

-- What `uptill ingest --watch` was done with: loaded or refused. Another version under the same name is loaded again.
create table watched_source (
    name text primary key,  -- path or s3:// address
    version text not null,  -- size and time of change of a file, ETag of an object
    loaded_at timestamptz not null default clock_timestamp()
);

create table api_key (
    prefix text primary key check (length(prefix) = 8),
    hash bytea not null check (octet_length(hash) = 32),
    name text not null,
    scopes text[] not null,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);

create table audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    actor text not null,
    action text not null,
    subject text,
    details jsonb not null default '{}'
);

create table report (
    id uuid primary key,
    state text not null default 'queued'
        check (state in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'expired')),
    as_of timestamptz not null,
    policy text not null,
    policy_version smallint not null,
    detail boolean not null default false,
    data_cut bigint not null, -- ledger number when it was accepted: which stores are in it
    read_cut bigint,          -- ledger number at which all its batches agree: which polls, hours and zones are in it
    created_by text,
    created_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    expired_at timestamptz,
    -- finalisation: the attempt is the fence, the lease runs by this database's clock
    finalise_attempt integer not null default 0,
    finalise_burnt integer not null default 0,
    finalise_lease_until timestamptz,
    finaliser text,
    object text,
    size_bytes bigint,
    sha256 text,
    rows bigint,
    tzdata_version text,
    error jsonb,
    check ((state = 'succeeded') <= (object is not null and sha256 is not null and rows is not null))
);
create index on report (created_at desc, id);
create index on report (state) where state in ('queued', 'running');
create index on report (finished_at) where state = 'succeeded';

create table report_batch (
    report_id uuid not null references report on delete cascade,
    batch_no integer not null,
    first_id text collate "C", -- both null in the one batch of a report without stores
    last_id text collate "C",
    stores integer not null,
    state text not null default 'pending' check (state in ('pending', 'leased', 'done', 'dead')),
    attempt integer not null default 0, -- the fence: grows at each claim, never shrinks
    burnt integer not null default 0,   -- claims that count against the limit; infrastructure faults give theirs back
    round integer not null default 0,   -- how often it was computed anew because newer data had come
    due_at timestamptz not null default clock_timestamp(), -- when the scheduler publishes it, unless claimed by then
    lease_until timestamptz,
    worker text,
    part text,
    size_bytes bigint,
    sha256 text,
    data_cut bigint,
    error jsonb,
    primary key (report_id, batch_no),
    check ((state = 'leased') = (lease_until is not null)),
    check ((state = 'done') <= (part is not null and data_cut is not null))
);
create index on report_batch (due_at) where state = 'pending';
create index on report_batch (lease_until) where state = 'leased';

-- What a caller's Idempotency-Key stands for, for 24 hours.
create table idempotency (
    created_by text not null,
    key text not null check (length(key) between 1 and 255),
    request_sha256 bytea not null,
    report_id uuid not null references report on delete cascade,
    created_at timestamptz not null default clock_timestamp(),
    primary key (created_by, key)
);
create index on report (data_cut, as_of) where state in ('queued', 'running', 'succeeded');
