-- Two batches that bring the first facts of a month at the same time: the second one waits for the first, but may still believe
-- that the partition is not there, because it looked before it waited. Then it failed, and was computed again.
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
    begin
        execute format(
            'create table public.%I (like public.store_day including indexes) with (autovacuum_vacuum_insert_scale_factor = 0.02)',
            partition_name);
        execute format(
            'alter table public.store_day attach partition public.%I for values from (%L) to (%L)',
            partition_name, month, (month + interval '1 month')::date);
    exception
        when duplicate_table then
            null;
    end;
end $$;
