-- Forgetting what is old: weeks of polls, reports. What the ledger of imports has seen is kept: it recognises bytes.

-- Drops the oldest week of polls that ended before p_before and returns its partition; null when there is none.
-- It is a change of data like any other: under the writers' lock and a ledger number of its own, so that a report of that
-- time is read before it or after it by all of its batches. Security definer: only the owner may drop a partition.
create function drop_oldest_week(p_before timestamptz, p_import_id uuid) returns text
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
    update ledger_head set seq = seq + 1 returning seq into number;
    insert into import (id, kind, source, size_bytes, state, finished_at)
    values (p_import_id, 'polls', 'retention of ' || week, 0, 'succeeded', clock_timestamp());
    insert into import_chunk (import_id, chunk_no, first_byte, end_byte, commit_seq, min_at, max_at)
    values (p_import_id, 0, 0, 0, number, monday, monday + interval '7 days' - interval '1 microsecond');
    return week;
end $$;
revoke execute on function drop_oldest_week(timestamptz, uuid) from public;
grant execute on function drop_oldest_week(timestamptz, uuid) to uptill_worker;

-- The latencies of reports that were forgotten, by bucket of uptill_report_latency_seconds, so that it never shrinks.
create table forgotten_latency (
    bucket integer primary key,
    reports bigint not null,
    seconds double precision not null
);
grant select on forgotten_latency to uptill_readonly;
grant select, insert, update on forgotten_latency to uptill_worker;
grant delete on report, import_reject to uptill_worker;
