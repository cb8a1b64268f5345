-- Daily facts: what a store was on a local date that no later poll can change. Jobs of kind `facts` compute them, as
-- batches like those of reports.

alter table report
    add column kind text not null default 'report' check (kind in ('report', 'facts')),
    add column first_day date, -- of a job of kind facts: the local dates to compute, both included
    add column last_day date,
    add constraint report_days check ((kind = 'facts') = coalesce(first_day <= last_day, false));

-- A batch of facts has no part.
alter table report_batch drop constraint report_batch_check1;
alter table report_batch add constraint report_batch_done check (state <> 'done' or coalesce(data_cut, -1) >= 0);

create table store_day (
    policy text collate "C" not null,
    store_key integer not null,
    local_date date not null,
    scheduled_us bigint not null, -- open and excluded time
    excluded_us bigint not null,
    open_us bigint not null,      -- up, down and unknown time
    up_us bigint not null,
    down_us bigint not null,
    unknown_us bigint not null,
    up_min_us bigint not null,
    up_max_us bigint not null,
    polls integer not null,
    outages integer not null,     -- that began on the date
    computed_seq bigint not null, -- ledger number of the data that it was computed from
    primary key (policy, store_key, local_date)
) partition by range (local_date);

-- Up to which ledger number all facts of a store hold, and what computed them. A store without a row has no valid facts.
create table store_day_mark (
    policy text collate "C" not null,
    store_key integer not null,
    seq bigint not null,
    last_day date, -- the latest one with facts
    policy_version smallint not null,
    tzdata_version text not null,
    primary key (policy, store_key)
) with (fillfactor = 50);

-- Whether a change counts later than at p_seq. Null: it never happened. p_early is not_yet_effective(p_seq): early numbers
-- that are not larger, but whose change counts later.
create function counts_after(p_change bigint, p_seq bigint, p_early bigint[]) returns boolean
language sql immutable as $$
    select coalesce(p_change > p_seq or p_change = any(p_early), false)
$$;

-- Makes the partition of the month of a date. Created apart and then attached, so readers are not blocked.
-- Security definer: workers may add partitions without owning the table.
create function ensure_store_day_partition(p_day date) returns void
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
        execute format('create table public.%I (like public.store_day including indexes)', partition_name);
        execute format(
            'alter table public.store_day attach partition public.%I for values from (%L) to (%L)',
            partition_name, month, (month + interval '1 month')::date);
    end if;
end $$;
revoke execute on function ensure_store_day_partition(date) from public;
grant execute on function ensure_store_day_partition(date) to uptill_worker;

grant select on store_day, store_day_mark to uptill_api, uptill_readonly;
grant select, insert, delete on store_day to uptill_worker;
grant select, insert, update, delete on store_day_mark to uptill_worker;

-- Lists of reports show reports only, those of the previous release too.
create or replace view report_shown as
select id, state, as_of, policy, policy_version, detail, windows, formats,
       jsonb_array_length(stores -> 'ids') as ids_given, stores -> 'labels' as labels, scope,
       coalesce(read_cut, data_cut) as data_cut, tzdata_version, created_at, started_at, finished_at, error,
       (select coalesce(sum(b.stores), 0)::bigint from report_batch b where b.report_id = report.id) as stores_total,
       (select coalesce(sum(b.stores), 0)::bigint from report_batch b where b.report_id = report.id and b.state = 'done')
           as stores_done,
       (select coalesce(jsonb_agg(to_jsonb(f) - 'report_id' order by array_position(formats, f.format)), '[]')
        from report_file f where f.report_id = report.id) as files
from report
where kind = 'report';

-- Webhooks are told about reports only.
drop trigger report_ended on report;
create constraint trigger report_ended after update of state on report
    deferrable initially deferred for each row
    when (new.kind = 'report' and old.state is distinct from new.state and new.state in ('succeeded', 'failed', 'canceled'))
    execute function announce_report_end();
