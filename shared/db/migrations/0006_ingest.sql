-- Two keys are built at once, by two sessions of which one gives both their name.

-- Builds the key of a partition under another name, in any transaction: the week counts as keyless until the transaction
-- that settles what waits for its key gives it the name, so that both happen at once.
create function build_observation_key(p_partition text) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if not exists (select from pg_inherits where inhparent = 'public.observation'::regclass
                   and inhrelid = to_regclass('public.' || p_partition)) then
        raise exception '% is no partition of observation', p_partition using errcode = 'undefined_table';
    end if;
    if to_regclass('public.' || p_partition || '_built') is null then
        execute format(
            'create unique index %I on public.%I (store_key, observed_at)', p_partition || '_built', p_partition);
    end if;
end $$;

-- Gives a partition its key, built now if it was not before; false where it stood already.
create or replace function ensure_observation_key(p_partition text) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if to_regclass('public.' || p_partition || '_key') is not null then
        return false;
    end if;
    perform build_observation_key(p_partition);
    execute format('alter index public.%I rename to %I', p_partition || '_built', p_partition || '_key');
    return true;
end $$;

revoke execute on function build_observation_key(text) from public;
grant execute on function build_observation_key(text) to uptill_ingest;
