-- Polls from Kafka. What a consumer group has written, by partition: it commits in the transaction that writes the polls, so a
-- message counts once. The offsets that Kafka itself keeps for the group only serve tools that show its lag.

-- The owner of a partition is the consumer that claimed it last. `claim` counts its owners: an earlier one writes nothing
-- any more.
create table kafka_position (
    group_id text not null check (length(group_id) <= 200),
    topic text not null check (length(topic) <= 249), -- Kafka's own limit
    partition integer not null check (partition >= 0),
    next_offset bigint check (next_offset >= 0), -- null until the first owner has asked the brokers where to begin
    claim bigint not null default 1,
    claimed_by text not null,
    claimed_at timestamptz not null default clock_timestamp(),
    written_at timestamptz, -- when messages of this partition were written last
    primary key (group_id, topic, partition)
);
grant select on kafka_position to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
grant insert, update on kafka_position to uptill_ingest;

-- The messages of a group on one UTC day are one import.
alter table import drop constraint import_origin_check;
alter table import add constraint import_origin_check
    check (origin in ('upload', 'command', 'live', 'kafka', 'change', 'retention'));

-- The view of imports asks this function, which knew only the origins that a row without one may have.
create or replace function import_origin(p_row import) returns text
language sql stable set search_path = pg_catalog, public, pg_temp as $$
    select case
        when p_row.origin = 'kafka' then 'kafka'
        when p_row.parent_id is not null then (select parent.origin from public.import parent where parent.id = p_row.parent_id)
        when p_row.kind in ('hours', 'timezones', 'labels') and p_row.created_by is not null
            and p_row.sha256 is null and p_row.size_bytes is null then 'change'
        when p_row.created_by is not null then 'upload'
        when p_row.kind = 'polls' and p_row.size_bytes = 0 and p_row.sha256 is null and p_row.source = 'live' then 'live'
        when p_row.kind = 'polls' and p_row.size_bytes = 0 and p_row.sha256 is null and p_row.state = 'succeeded' then 'retention'
        else 'command' end
$$;
comment on column reporting.imports.origin is 'upload, command, live, kafka, change or retention';
