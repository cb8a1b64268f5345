-- The key of a partition holds all of a poll, so that a report reads the index alone; a change of a report wakes those who wait.

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
        created := true;
    end if;
end $$;

create or replace function build_observation_key(p_partition text) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if not exists (select from pg_inherits where inhparent = 'public.observation'::regclass
                   and inhrelid = to_regclass('public.' || p_partition)) then
        raise exception '% is no partition of observation', p_partition using errcode = 'undefined_table';
    end if;
    if to_regclass('public.' || p_partition || '_built') is null then
        execute format(
            'create unique index %I on public.%I (store_key, observed_at) include (is_active)',
            p_partition || '_built', p_partition);
    end if;
end $$;

-- The partitions there are: each is locked for writers while its key is built anew (0.1 s a million polls).
do $$
declare
    partition_name text;
begin
    for partition_name in
        select relname from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'observation'::regclass and to_regclass('public.' || relname || '_key') is not null
    loop
        execute format(
            'create unique index %I on public.%I (store_key, observed_at) include (is_active)',
            partition_name || '_new', partition_name);
        execute format('drop index public.%I', partition_name || '_key');
        execute format('alter index public.%I rename to %I', partition_name || '_new', partition_name || '_key');
        execute format('alter table public.%I set (autovacuum_vacuum_insert_scale_factor = 0.05)', partition_name);
    end loop;
end $$;

-- Heard by the API for callers who wait. Lost without a listener; a lost one costs the waiter a second, never the answer.
create function tell_report_changed() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'report' then
        perform pg_notify('report_changed', new.id || case when new.state in ('queued', 'running') then '' else ' ended' end);
    else
        perform pg_notify('report_changed', new.report_id::text);
    end if;
    return null;
end $$;

create trigger tell_changed after update of state on report
    for each row when (old.state is distinct from new.state) execute function tell_report_changed();
create trigger tell_changed after update of state on report_batch
    for each row when ((old.state = 'done') is distinct from (new.state = 'done')) execute function tell_report_changed();
