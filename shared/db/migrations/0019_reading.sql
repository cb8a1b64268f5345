-- How the sender told Uptill to read values: a status mapping, a date format, whether times without a zone are UTC. Null
-- where nothing was told. The same bytes read in another way are another load.
-- `assumed_utc` counts timestamps without a zone that were read as UTC.
alter table import
    add column reading jsonb,
    add column assumed_utc bigint not null default 0;

-- The name as the file has it, where the zone was recognised by another name than its own, such as a Windows name.
alter table import_staged add column written_zone text;
