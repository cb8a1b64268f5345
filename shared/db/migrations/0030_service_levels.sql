-- Service levels: what is promised for stores with certain labels, and how the last evaluation by a worker ended.

create table service_level (
    name text collate "C" primary key,
    profile text not null,
    target double precision not null check (target > 0 and target <= 1),
    labels jsonb not null, -- of the stores; '{}': every store
    period text not null,
    policy text collate "C" not null,
    unknown text not null,  -- what unknown time counts as
    excluded text not null, -- what excluded time counts as
    caps jsonb not null,    -- hours by the reason of closures
    revision bigint not null default 1, -- raised by each change: an evaluation of older terms is not kept
    due_at timestamptz not null default clock_timestamp(), -- when a worker shall evaluate it
    changed_by text, -- prefix of the API key
    changed_at timestamptz not null default clock_timestamp()
);
create index on service_level (due_at);

-- The last evaluation of a level, in total. Times are microseconds.
create table service_level_result (
    name text collate "C" not null references service_level on delete cascade,
    ago smallint not null, -- 0: the current period, 1: the one before
    first_day date not null,
    last_day date not null,
    through date not null, -- the last date that counts; dates after it are ahead
    as_of timestamptz not null,
    data_cut bigint not null,
    evaluated_at timestamptz not null default clock_timestamp(),
    revision bigint not null,
    state text not null,
    counted_us bigint not null,
    down_us bigint not null,
    last_counted_us bigint not null,
    last_down_us bigint not null,
    ahead_us bigint not null,
    days_missing bigint not null, -- of all stores
    stores jsonb not null, -- their number by state
    stores_failed integer not null,
    primary key (name, ago)
);

create table service_level_store (
    name text collate "C" not null,
    ago smallint not null,
    store_key integer not null references store on delete cascade,
    state text not null,
    counted_us bigint not null,
    down_us bigint not null,
    last_counted_us bigint not null,
    last_down_us bigint not null,
    ahead_us bigint not null,
    unknown_us bigint not null,  -- whatever it counts as
    excluded_us bigint not null, -- within the caps
    over_cap_us bigint not null, -- excluded time that counts as down
    days_missing integer not null,
    primary key (name, ago, store_key),
    foreign key (name, ago) references service_level_result on delete cascade
);

grant select, insert, update, delete on service_level to uptill_api;
grant select on service_level_result, service_level_store to uptill_api;
grant select, update on service_level to uptill_worker;
grant select, insert, update, delete on service_level_result, service_level_store to uptill_worker;
grant select on service_level, service_level_result, service_level_store to uptill_readonly;
