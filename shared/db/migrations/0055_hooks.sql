-- Hooks: how calls of other systems become polls. A hook has a name in its URL, a mapping, and a secret that callers prove.

create table hook (
    name text collate "C" primary key check (name ~ '^[a-z0-9][a-z0-9._-]{0,62}$'),
    version integer not null check (version >= 1), -- the one in force
    secret text, -- null: callers show an API key
    previous_secret text, -- valid too until previous_until
    previous_until timestamptz,
    changed_by text, -- prefix of the API key
    changed_at timestamptz not null default clock_timestamp(),
    check ((previous_secret is null) = (previous_until is null))
);

-- What a hook was at each time. Rows are only added.
create table hook_version (
    name text collate "C" not null references hook on delete cascade,
    version integer not null,
    document jsonb not null,
    changed_by text,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (name, version)
);

-- Messages that were received, so that one that is replayed changes nothing. Written in the transaction of its polls.
create table hook_message (
    id uuid primary key, -- a digest of the hook's name and the sender's id
    forget_at timestamptz not null
);
create index on hook_message (forget_at);

-- Where a rejected row comes from, if it is another place than its import says.
alter table import_reject add column source text;

-- Only the role that checks signatures reads secrets.
grant select, insert, update, delete on hook to uptill_ingest;
grant select, insert on hook_version to uptill_ingest;
grant select, insert, update, delete on hook_message to uptill_ingest;
grant select (name, version, changed_by, changed_at) on hook to uptill_readonly;
grant select on hook_version to uptill_readonly;
