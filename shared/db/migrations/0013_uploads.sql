-- One upload must not stop the others: its kind is a column, its attempts are counted, and no text can break an index.

-- Where an import comes from. Never told by its source, which callers choose. Filled by a trigger for the release before.
alter table import
    add column origin text check (origin in ('upload', 'command', 'live', 'change', 'retention')),
    add column attempts integer not null default 0, -- at loading this upload or member since its last committed chunk
    add column spool_id uuid;                       -- of an upload: the spool that holds its files

alter table import drop constraint import_state_check;
alter table import add constraint import_state_check
    check (state in ('queued', 'running', 'succeeded', 'stopped', 'failed', 'canceled'));

-- The origin of a row that does not say it, by how the release before inserts rows.
create function import_origin(p_row import) returns text language sql stable set search_path = pg_catalog, public, pg_temp as $$
    select case
        when p_row.parent_id is not null then (select parent.origin from public.import parent where parent.id = p_row.parent_id)
        when p_row.kind in ('hours', 'timezones', 'labels') and p_row.created_by is not null
            and p_row.sha256 is null and p_row.size_bytes is null then 'change'
        when p_row.created_by is not null then 'upload'
        when p_row.kind = 'polls' and p_row.size_bytes = 0 and p_row.sha256 is null and p_row.source = 'live' then 'live'
        when p_row.kind = 'polls' and p_row.size_bytes = 0 and p_row.sha256 is null and p_row.state = 'succeeded' then 'retention'
        else 'command' end
$$;

create function fill_import_origin() returns trigger language plpgsql as $$
begin
    new.origin := import_origin(new);
    return new;
end $$;
create trigger fill_origin before insert on import
    for each row when (new.origin is null) execute function fill_import_origin();

update import set origin = import_origin(import) where parent_id is null;
update import member set origin = parent.origin from import parent where parent.id = member.parent_id;

-- A hash index takes a text of any length.
drop index if exists import_source_idx;
create index import_source_hash on import using hash (source) where state in ('running', 'failed');
create index on import (spool_id) where state in ('queued', 'running', 'failed');
create index on import (origin) where state in ('queued', 'running');

-- The spools that ingest services have: each names itself by a file in its folder. One that is not seen any more has
-- taken its uploads with it.
create table spool (
    id uuid primary key,
    place text not null, -- host and folder
    seen_at timestamptz not null default clock_timestamp()
);
grant select, insert, update, delete on spool to uptill_ingest;
grant select on spool to uptill_readonly;

-- How long each upload that has not ended waits: since it was accepted or begun, or since the last chunk committed of it.
create view upload_wait as
select root.id, root.state,
    extract(epoch from clock_timestamp() - greatest(root.started_at, (
        select max(chunk.committed_at)
        from import part join import_chunk chunk on chunk.import_id = part.id
        where part.id = root.id or part.parent_id = root.id)))::float8 as waited_s
from import root
where root.origin = 'upload' and root.parent_id is null and root.state in ('queued', 'running');
grant select on upload_wait to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
