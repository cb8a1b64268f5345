-- Live state: what each store is now. One standing job of kind `now` keeps it. Its batches never end: a worker that has
-- refreshed one makes it due again, so nothing piles up.

alter table report drop constraint report_kind_check;
alter table report add constraint report_kind_check check (kind in ('report', 'facts', 'facts_export', 'now'));
-- Of the standing job: the time between two refreshes of a batch.
alter table report add column refresh_every interval;
create unique index report_one_now on report ((kind = 'now')) where kind = 'now';

-- Numbers that grow with time hold at `counted_at`. Those that `accrues` names have grown since by the time that has passed.
create table store_now (
    store_key integer primary key,
    batch_no integer not null,
    state text not null check (state in ('up', 'down', 'unknown', 'silent', 'closed', 'excluded', 'ended')),
    since_earliest timestamptz, -- the state began after this instant, or at it if both are equal; null: not known
    since_latest timestamptz,   -- and at this instant at the latest
    last_poll_at timestamptz,
    last_poll_active boolean,
    open_until timestamptz,
    opens_at timestamptz,
    day_from timestamptz not null, -- the local midnight from which up_us and down_us count
    counted_at timestamptz not null,
    accrues text check (accrues in ('up', 'down')),
    up_us bigint not null,
    down_us bigint not null,
    down_open_us bigint not null, -- open time since the first inactive poll, while the store is down
    inactive_polls integer not null,
    usual_gap_us bigint,
    fault text, -- why the store cannot be computed
    digest bigint not null -- of all columns: equal rows are not written again
) with (fillfactor = 50);

-- Up to when each batch of the standing job holds, and what it was computed from.
create table now_batch (
    report_id uuid not null,
    batch_no integer not null,
    seq bigint not null,        -- ledger number of the data, with the import and the time of its commit
    import_id uuid,
    committed_at timestamptz,
    made_by text not null,      -- rule, settings and time zones that computed it
    changes_at timestamptz not null, -- without new data, no state changes before this instant
    refreshed_at timestamptz not null, -- the states hold at this instant
    primary key (report_id, batch_no),
    foreign key (report_id, batch_no) references report_batch on delete cascade
) with (fillfactor = 50);

-- Changes of states, in the order of their commits. The janitor deletes old ones.
create table now_change (
    id bigint generated always as identity primary key,
    at timestamptz not null,
    store_key integer not null,
    was text not null,
    state text not null,
    since_earliest timestamptz,
    since_latest timestamptz
);
create index on now_change (at);

grant select on store_now, now_batch, now_change to uptill_api, uptill_readonly;
grant select, insert, update, delete on store_now, now_batch to uptill_worker;
grant select, insert, delete on now_change to uptill_worker;

-- Batches that a worker could have and none has: what workers are scaled by. Live state does not scale them.
create or replace view due_batch as
select b.report_id, b.batch_no, b.due_since
from report_batch b join report r on r.id = b.report_id
where b.state = 'pending' and b.due_since <= clock_timestamp() and r.state in ('queued', 'running') and r.kind <> 'now';

-- Microseconds since 1970 as an instant; a negative number is none.
create function instant_of(p_us bigint) returns timestamptz language sql immutable as $$
    select case when p_us >= 0 then timestamptz 'epoch' + p_us * interval '1 microsecond' end
$$;
