-- Facts that were just written make the first readers slow: their pages are not marked as visible to all, so sums read the
-- table beside the index. A night adds a thirtieth of a month, and autovacuum waited for a fifth. Now it comes after each night.
create or replace function ensure_store_day_partition(p_day date) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    month date := date_trunc('month', p_day);
    partition_name text := 'store_day_' || to_char(month, 'YYYY_MM');
begin
    if to_regclass('public.' || partition_name) is not null then
        return;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('public.' || partition_name, 0));
    if to_regclass('public.' || partition_name) is null then
        execute format(
            'create table public.%I (like public.store_day including indexes) with (autovacuum_vacuum_insert_scale_factor = 0.02)',
            partition_name);
        execute format(
            'alter table public.store_day attach partition public.%I for values from (%L) to (%L)',
            partition_name, month, (month + interval '1 month')::date);
    end if;
end $$;

do $$
declare
    partition_name text;
begin
    for partition_name in
        select relname from pg_inherits join pg_class on pg_class.oid = inhrelid where inhparent = 'public.store_day'::regclass
    loop
        execute format('alter table public.%I set (autovacuum_vacuum_insert_scale_factor = 0.02)', partition_name);
    end loop;
end $$;
