-- What polls, weekly hours, time zones and labels were at an earlier ledger number, so that a report's data cut can be read
-- again. Each row has the number of the change that brought it, `since_seq`; null: from before these columns existed, so
-- it counts as always there. What a change replaces goes to a table of its own, with the number until which it held.

alter table ledger_head
    -- The last change whose writer kept what it replaced. Older releases do not set it.
    add column history_seq bigint not null default 0,
    -- Data can be read as it was at this number or later.
    add column history_from_seq bigint not null default 0;
update ledger_head set history_seq = seq, history_from_seq = seq;

create or replace function follow_data_cut() returns trigger language plpgsql as $$
begin
    if new.unchanged_commits = old.unchanged_commits then
        new.data_cut := new.seq;
    end if;
    -- The release before does not keep what it replaces.
    if new.history_seq <> new.seq then
        new.history_from_seq := new.seq;
    end if;
    return new;
end $$;

-- The lowest 32 bits of a ledger number. They fit the space that aligns a row of polls, so history costs polls no space.
create function short_seq(p_seq bigint) returns integer language sql immutable parallel safe as $$
    select (((p_seq + 2147483648) & 4294967295) - 2147483648)::integer
$$;

-- The newest number up to `p_head` with these lowest bits. Wrong for polls that are older than 4,294,967,296 changes.
create function full_seq(p_short integer, p_head bigint) returns bigint language sql immutable parallel safe as $$
    select p_head - ((p_head - p_short) & 4294967295)
$$;

alter table observation add column since_seq integer; -- short_seq
alter table business_hours add column since_seq bigint;
alter table store add column timezone_since_seq bigint, add column labels_since_seq bigint;

create table superseded_poll (
    store_key integer not null,
    observed_at timestamptz not null,
    is_active boolean not null,
    since_seq bigint,
    until_seq bigint not null,
    primary key (store_key, observed_at, until_seq)
);

create table superseded_hours (
    store_key integer not null references store on delete cascade,
    day_of_week smallint not null,
    opens integer not null,
    closes integer not null,
    since_seq bigint,
    until_seq bigint not null,
    primary key (store_key, day_of_week, opens, closes, until_seq)
);

-- A store that had no time zone, or no labels, has no row for that time.
create table superseded_timezone (
    store_key integer not null references store on delete cascade,
    timezone text not null,
    since_seq bigint,
    until_seq bigint not null,
    primary key (store_key, until_seq)
);

create table superseded_labels (
    store_key integer not null references store on delete cascade,
    labels jsonb not null,
    since_seq bigint,
    until_seq bigint not null,
    primary key (store_key, until_seq)
);

-- Removed with the imports.
create index on superseded_poll (until_seq);
create index on superseded_hours (until_seq);
create index on superseded_timezone (until_seq);
create index on superseded_labels (until_seq);

-- Weeks of polls that retention dropped, each with the number of that change: an earlier cut cannot show them.
create table dropped_week (
    seq bigint primary key,
    starts_at timestamptz not null
);

grant select on superseded_poll, superseded_hours, superseded_timezone, superseded_labels, dropped_week
    to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
grant insert on superseded_poll, superseded_hours, superseded_timezone, superseded_labels to uptill_ingest;

create or replace function drop_oldest_week(p_before timestamptz, p_import_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    week text;
    monday timestamptz;
    number bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0));
    select relname, starts into week, monday
    from pg_inherits join pg_class on pg_class.oid = inhrelid,
        lateral (select to_date(substr(relname, 13), 'IYYY"w"IW')::timestamp at time zone 'UTC' as starts) bounds
    where inhparent = 'public.observation'::regclass and starts + interval '7 days' <= p_before
        and to_regclass('public.' || relname || '_key') is not null -- else an import is filling it
    order by starts limit 1;
    if week is null then
        return null;
    end if;
    execute format('drop table public.%I', week);
    delete from superseded_poll where observed_at >= monday and observed_at < monday + interval '7 days';
    update ledger_head set seq = seq + 1, history_seq = seq + 1 returning seq into number;
    insert into dropped_week (seq, starts_at) values (number, monday);
    insert into import (id, kind, source, size_bytes, state, finished_at)
    values (p_import_id, 'polls', 'retention of ' || week, 0, 'succeeded', clock_timestamp());
    insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq, min_at, max_at)
    values (p_import_id, 0, 0, 0, number, monday, monday + interval '7 days' - interval '1 microsecond');
    return week;
end $$;

-- Forgets with the imports also what their changes replaced.
create or replace function forget_imports(p_before timestamptz, p_rows integer, out imports bigint, out more boolean)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    -- Looked up before the lock, because both tables may be long. An import that has ended gets no more rows, unless it is
    -- resumed; then it ends again, later.
    needed uuid[] := array(select import_id from import_pending union select import_id from import_staged);
    roots uuid[];
    family uuid[];
    newest bigint;
    removed bigint;
    rejects bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0));
    -- An interrupted upload stays: its bytes may still be in a spool. What somebody holds is about to go on.
    select coalesce(array_agg(id), '{}') into roots
    from (
        select id from import root
        where parent_id is null and finished_at < p_before
            and (created_by is null or error ->> 'reason' is distinct from 'fault')
            and id <> all(needed)
            and not exists (
                select from import member where parent_id = root.id
                    and (finished_at is null or finished_at >= p_before or id = any(needed)))
        order by finished_at limit 100
    ) old
    where pg_try_advisory_xact_lock(hashtextextended('uptill.import.' || id, 0));
    select coalesce(array_agg(part.id), '{}') into family
    from import root join import part on part.id = root.id or part.parent_id = root.id
    where root.id = any(roots) and root.finished_at < p_before; -- it may have gone on before it was held here

    with gone as (
        delete from import_chunk
        where ctid = any(array(select ctid from import_chunk where import_id = any(family) limit p_rows))
        returning commit_seq
    )
    select count(*), max(commit_seq) into removed, newest from gone;
    update ledger_head
    set forgotten_seq = greatest(forgotten_seq, newest), history_from_seq = greatest(history_from_seq, newest)
    where forgotten_seq < newest or history_from_seq < newest;
    delete from import_reject
    where ctid = any(array(select ctid from import_reject where import_id = any(family) limit p_rows - removed));
    get diagnostics rejects = row_count;
    imports := 0;
    if removed + rejects < p_rows then -- so none is left
        with gone as (
            delete from import where id = any(family) returning *
        ), counted as (
            insert into forgotten_import (kind, state, imports, accepted, duplicate, corrected, rejected)
            select coalesce(kind, 'unknown'), state, count(*) filter (where error ->> 'reason' is distinct from 'fault'),
                sum(accepted), sum(duplicate), sum(corrected), sum(gone.rejected)
            from gone where kind is distinct from 'archive'
            group by 1, 2
            on conflict (kind, state) do update
            set imports = forgotten_import.imports + excluded.imports,
                accepted = forgotten_import.accepted + excluded.accepted,
                duplicate = forgotten_import.duplicate + excluded.duplicate,
                corrected = forgotten_import.corrected + excluded.corrected,
                rejected = forgotten_import.rejected + excluded.rejected
        )
        select count(*) into imports from gone;
    end if;
    more := removed + rejects = p_rows or cardinality(roots) = 100 or forget_history(p_rows) = p_rows;
end $$;

-- Removes at most p_rows of what was replaced before the oldest ledger number that can be read, and returns how many.
create function forget_history(p_rows integer) returns bigint
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    oldest bigint := (select history_from_seq from ledger_head);
    name text;
    removed bigint;
    total bigint := 0;
begin
    foreach name in array array['superseded_poll', 'superseded_hours', 'superseded_timezone', 'superseded_labels'] loop
        execute format(
            'delete from public.%1$I where ctid = any(array('
            '    select ctid from public.%1$I where until_seq <= $1 order by until_seq limit $2))', name)
        using oldest, p_rows - total;
        get diagnostics removed = row_count;
        total := total + removed;
    end loop;
    return total;
end $$;
revoke execute on function forget_history(integer) from public;
