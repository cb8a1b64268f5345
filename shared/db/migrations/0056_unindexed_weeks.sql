-- A large load leaves the weeks that it creates without an index until it ends. A search for each store would read such a week
-- from its first to its last poll each time, so readers ask first, and read it once for all stores.

-- Whether a week with instants between the two, both included, has no index. The name of a partition is its ISO week.
create function has_unindexed_week(p_from timestamptz, p_to timestamptz) returns boolean
language sql stable set search_path = pg_catalog, public, pg_temp as $$
    select exists (
        select from pg_inherits join pg_class on pg_class.oid = inhrelid
        cross join lateral (select to_date(substring(relname from '\d{4}w\d{2}$'), 'IYYY"w"IW')::timestamp at time zone 'UTC' as monday) week
        where inhparent = 'public.observation'::regclass and monday <= p_to and monday + interval '168 hours' > p_from
            and not exists (select from pg_index where indrelid = inhrelid and indisvalid))
$$;
