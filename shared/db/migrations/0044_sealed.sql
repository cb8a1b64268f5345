-- Old weeks of polls as Parquet in the bucket. A week is a partition of `observation` or a sealed week, never both.

alter table report drop constraint report_kind_check, drop constraint report_days;
alter table report
    add constraint report_kind_check check (kind in ('report', 'facts', 'facts_export', 'now', 'seal', 'unseal')),
    add constraint report_days check (
        (kind in ('facts', 'facts_export', 'seal', 'unseal')) = coalesce(first_day <= last_day, false));

-- Written only by the functions below. A row stays when its week is opened again.
create table sealed_week (
    starts_at timestamptz primary key, -- Monday 00:00 UTC
    object text not null,
    size_bytes bigint not null,
    sha256 text not null,
    rows bigint not null,
    pieces jsonb not null, -- parts of the object with the SHA-256 of each, so that a reader can read and verify some of them
    seq bigint not null,   -- ledger number of the polls
    sealed_at timestamptz not null default clock_timestamp(),
    wanted_at timestamptz, -- since when late polls wait for the week to be opened
    opened_at timestamptz  -- null: the week is sealed
);

-- What questions about a store's last poll need of a sealed week, so that they need no file.
create table sealed_store (
    store_key integer not null,
    starts_at timestamptz not null,
    last_at timestamptz not null, -- the last poll of the store in the week
    last_active boolean not null,
    newest_seq bigint not null,   -- the newest ledger number of its polls
    primary key (store_key, starts_at)
);
create index on sealed_store (starts_at);

-- Objects that a worker began to write. The row is committed first, so none is ever left behind unknown.
create table sealed_object (
    object text primary key,
    starts_at timestamptz not null,
    left_at timestamptz not null default clock_timestamp() -- begun, or no longer needed, at this time
);

grant select on sealed_week, sealed_store, sealed_object to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
grant update (wanted_at) on sealed_week to uptill_ingest;
grant select, insert, delete on sealed_store to uptill_worker;
grant select, insert, delete on sealed_object to uptill_worker;

-- The partition of a week: 2024-10-14 has observation_2024w42.
create function week_partition(p_monday timestamptz) returns text language sql immutable as $$
    select 'observation_' || to_char(p_monday at time zone 'UTC', 'IYYY"w"IW')
$$;

-- What changed is where the polls lie. The data cut stays, but writers must forget which weeks they know.
create function count_unchanged_commit() returns void
language sql set search_path = pg_catalog, public, pg_temp as $$
    update ledger_head set seq = seq + 1, history_seq = seq + 1, unchanged_commits = unchanged_commits + 1
$$;
revoke execute on function count_unchanged_commit() from public;

-- Replaces a partition by the object that holds its polls as of the ledger number p_seq. Returns whether it did: not if
-- polls of the week may have changed since, or if an import is filling the week. The caller sets `lock_timeout`.
create function seal_week(
    p_monday timestamptz, p_object text, p_size_bytes bigint, p_sha256 text, p_rows bigint, p_pieces jsonb, p_seq bigint)
returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    week text := week_partition(p_monday);
begin
    perform pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0));
    if to_regclass('public.' || week || '_key') is null
        or (select forgotten_seq from ledger_head) > p_seq
        or exists (
            select from import_chunk chunk join import on import.id = chunk.import_id
            where chunk.commit_seq > p_seq and import.kind = 'polls'
                and chunk.min_at < p_monday + interval '168 hours' and chunk.max_at >= p_monday)
    then
        return false;
    end if;
    execute format('drop table public.%I', week);
    insert into sealed_week (starts_at, object, size_bytes, sha256, rows, pieces, seq)
    values (p_monday, p_object, p_size_bytes, p_sha256, p_rows, p_pieces, p_seq)
    on conflict (starts_at) do update
    set object = excluded.object, size_bytes = excluded.size_bytes, sha256 = excluded.sha256, rows = excluded.rows,
        pieces = excluded.pieces, seq = excluded.seq, sealed_at = excluded.sealed_at, wanted_at = null, opened_at = null;
    perform count_unchanged_commit();
    return true;
end $$;

-- Makes the table that takes the polls of a sealed week back. It is no partition yet, so no reader sees it.
create function begin_opening_week(p_monday timestamptz) returns text
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    week text := week_partition(p_monday);
begin
    execute format(
        'create table public.%I (like public.observation) with (autovacuum_vacuum_insert_scale_factor = 0.05)', week);
    -- So that attaching the table does not read it.
    execute format(
        'alter table public.%I add constraint of_week check (observed_at >= %L and observed_at < %L)',
        week, p_monday, p_monday + interval '168 hours');
    execute format('grant select, insert on public.%I to uptill_worker', week);
    return week;
end $$;

-- Builds the index of the filled table, before any lock that others wait for.
create function index_opening_week(p_monday timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    week text := week_partition(p_monday);
begin
    if to_regclass('public.' || week || '_key') is null then
        execute format(
            'create unique index %I on public.%I (store_key, observed_at) include (is_active)', week || '_key', week);
    end if;
end $$;

-- Makes the filled table the partition of its week again. Returns whether it did: not if the week is no longer this object.
create function open_week(p_monday timestamptz, p_object text) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    week text := week_partition(p_monday);
begin
    execute format('revoke insert on public.%I from uptill_worker', week);
    perform pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0));
    update sealed_week set opened_at = clock_timestamp(), wanted_at = null
    where starts_at = p_monday and object = p_object and opened_at is null;
    if not found then
        return false;
    end if;
    delete from sealed_store where starts_at = p_monday;
    update sealed_object set left_at = clock_timestamp() where object = p_object;
    execute format(
        'alter table public.observation attach partition public.%I for values from (%L) to (%L)',
        week, p_monday, p_monday + interval '168 hours');
    execute format('alter table public.%I drop constraint of_week', week);
    perform count_unchanged_commit();
    return true;
end $$;

revoke execute on function seal_week(timestamptz, text, bigint, text, bigint, jsonb, bigint),
    begin_opening_week(timestamptz), index_opening_week(timestamptz), open_week(timestamptz, text) from public;
grant execute on function seal_week(timestamptz, text, bigint, text, bigint, jsonb, bigint),
    begin_opening_week(timestamptz), index_opening_week(timestamptz), open_week(timestamptz, text) to uptill_worker;

-- As before, but refuses a sealed week, also to writers of the release before: they would not see its polls.
create or replace function ensure_observation_partition(
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
    if exists (select from sealed_week where starts_at = monday at time zone 'UTC' and opened_at is null) then
        raise exception 'the week of % is sealed: it must be opened before polls can be written', monday::date
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if to_regclass('public.' || partition_name) is null then
        -- Only pages that a vacuum has seen are answered by the index alone: it comes after a twentieth of growth.
        execute format(
            'create table public.%I (like public.observation) with (autovacuum_vacuum_insert_scale_factor = 0.05)',
            partition_name);
        if p_keyed then
            execute format(
                'create unique index %I on public.%I (store_key, observed_at) include (is_active)',
                partition_name || '_key', partition_name);
        end if;
        execute format(
            'alter table public.observation attach partition public.%I for values from (%L) to (%L)',
            partition_name, monday at time zone 'UTC', (monday + interval '7 days') at time zone 'UTC');
        execute format('grant select on public.%I to uptill_worker', partition_name);
        created := true;
    end if;
end $$;

-- Workers seal a partition that they have locked, so they read it by its own name.
do $$
declare
    week text;
begin
    for week in select relname from pg_inherits join pg_class on oid = inhrelid where inhparent = 'observation'::regclass loop
        execute format('grant select on public.%I to uptill_worker', week);
    end loop;
end $$;

-- As before, and of sealed weeks too, whose name it returns as that of a partition. Their objects are removed later.
create or replace function drop_oldest_week(p_before timestamptz, p_import_id uuid) returns text
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    week text;
    monday timestamptz;
    number bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0));
    select name, starts into week, monday
    from (
        select relname::text as name, to_date(substr(relname, 13), 'IYYY"w"IW')::timestamp at time zone 'UTC' as starts
        from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'public.observation'::regclass
            and to_regclass('public.' || relname || '_key') is not null -- else an import is filling it
        union all
        select week_partition(starts_at), starts_at from sealed_week where opened_at is null
    ) held
    where starts + interval '7 days' <= p_before
    order by starts limit 1;
    if week is null then
        return null;
    end if;
    execute format('drop table if exists public.%I', week);
    update sealed_object set left_at = clock_timestamp()
    where object in (select object from sealed_week where starts_at = monday and opened_at is null);
    delete from sealed_week where starts_at = monday;
    delete from sealed_store where starts_at = monday;
    delete from superseded_poll where observed_at >= monday and observed_at < monday + interval '7 days';
    update ledger_head set seq = seq + 1, history_seq = seq + 1 returning seq into number;
    insert into dropped_week (seq, starts_at) values (number, monday);
    insert into import (id, kind, source, size_bytes, state, finished_at)
    values (p_import_id, 'polls', 'retention of ' || week, 0, 'succeeded', clock_timestamp());
    insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq, min_at, max_at)
    values (p_import_id, 0, 0, 0, number, monday, monday + interval '7 days' - interval '1 microsecond');
    return week;
end $$;
