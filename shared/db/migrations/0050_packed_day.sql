-- The daily facts of a date side by side, so that a series over a fleet reads tens of rows per date and not one per store. The
-- transaction that writes facts adds to them. `store_day` is the source: these rows can be computed from it.

create table packed_day (
    policy text collate "C" not null,
    local_date date not null,
    records bytea not null -- of many stores, each made by fact_record; the facts of a store are the sum of its records
);
-- The bytes of times do not compress, and reading them must be quick.
alter table packed_day alter column records set storage external;
create index packed_day_date on packed_day (policy, local_date);

-- The version of the month's facts that `packed_day` holds. Otherwise, also after the release before has written facts, readers
-- use `store_day`, and the next writer packs the month again.
alter table facts_month add column packed_version bigint;

-- 30 bytes, the numbers big-endian: 4 of the key, 2 of the number of facts (1, or -1 for a fact that was taken away), 5 of each
-- time in microseconds, 4 of the outages. Of a fact that was taken away, all numbers are to be subtracted.
create function fact_record(
    p_store_key integer, p_facts smallint, p_excluded_us bigint, p_open_us bigint, p_up_us bigint, p_down_us bigint,
    p_outages integer) returns bytea
language sql immutable as $$
    select int4send(p_store_key) || int2send(p_facts) || substring(int8send(p_excluded_us) from 4)
        || substring(int8send(p_open_us) from 4) || substring(int8send(p_up_us) from 4)
        || substring(int8send(p_down_us) from 4) || int4send(p_outages)
$$;

do $$
declare
    known record;
begin
    -- Workers of the release before wait.
    lock table facts_month in share row exclusive mode;
    for known in select policy, month from facts_month loop
        insert into packed_day
        select policy, local_date,
            string_agg(fact_record(store_key, 1::smallint, excluded_us, open_us, up_us, down_us, outages), ''::bytea)
        from store_day
        where policy = known.policy and local_date >= known.month and local_date < (known.month + interval '1 month')::date
        group by policy, local_date, store_key >> 14;
    end loop;
    update facts_month set packed_version = version;
end $$;

grant select on packed_day to uptill_api, uptill_readonly;
grant select, insert, delete on packed_day to uptill_worker;
