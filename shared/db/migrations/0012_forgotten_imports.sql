-- Forgetting imports that ended long ago: their chunks, rejected rows and counts.

-- Changes up to this number may be missing from import_chunk: who looks there for what came after an earlier one must take
-- it that something did.
alter table ledger_head add column forgotten_seq bigint not null default 0;

-- What forgotten imports were counted as, so that no figure shrinks. `imports`: without the interrupted, which did not end.
create table forgotten_import (
    kind text not null, -- or unknown
    state text not null,
    imports bigint not null,
    accepted bigint not null,
    duplicate bigint not null,
    corrected bigint not null,
    rejected bigint not null,
    primary key (kind, state)
);
grant select on forgotten_import to uptill_worker, uptill_readonly;

create index on import (finished_at) where parent_id is null;
create index on import (same_as) where same_as is not null; -- looked through for each row that is removed

-- Removes imports that ended before p_before, an archive with its members: those of at most 100 sources, and at most p_rows
-- of their chunks and rejected rows, after which they still stand. Returns how many imports went, and whether to ask again.
-- Security definer: the worker may forget what is old, and remove nothing else of the ledger.
create function forget_imports(p_before timestamptz, p_rows integer, out imports bigint, out more boolean)
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    -- Looked up before the lock, as both may be long: what ended gets no more of them, unless it goes on and ends anew.
    needed uuid[] := array(select import_id from import_pending union select import_id from import_staged);
    roots uuid[];
    family uuid[];
    newest bigint;
    removed bigint;
    rejects bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('uptill.ingest', 0));
    -- An interrupted upload stays: its bytes may still be in a spool. What somebody holds is about to go on.
    select coalesce(array_agg(id), '{}') into roots
    from (
        select id from import root
        where parent_id is null and finished_at < p_before
            and (created_by is null or error ->> 'reason' is distinct from 'fault')
            and id <> all(needed)
            and not exists (
                select from import member where parent_id = root.id
                    and (finished_at is null or finished_at >= p_before or id = any(needed)))
        order by finished_at limit 100
    ) old
    where pg_try_advisory_xact_lock(hashtextextended('uptill.import.' || id, 0));
    select coalesce(array_agg(part.id), '{}') into family
    from import root join import part on part.id = root.id or part.parent_id = root.id
    where root.id = any(roots) and root.finished_at < p_before; -- it may have gone on before it was held here

    with gone as (
        delete from import_chunk
        where ctid = any(array(select ctid from import_chunk where import_id = any(family) limit p_rows))
        returning commit_seq
    )
    select count(*), max(commit_seq) into removed, newest from gone;
    update ledger_head set forgotten_seq = newest where forgotten_seq < newest;
    delete from import_reject
    where ctid = any(array(select ctid from import_reject where import_id = any(family) limit p_rows - removed));
    get diagnostics rejects = row_count;
    imports := 0;
    if removed + rejects < p_rows then -- so none is left
        with gone as (
            delete from import where id = any(family) returning *
        ), counted as (
            insert into forgotten_import (kind, state, imports, accepted, duplicate, corrected, rejected)
            select coalesce(kind, 'unknown'), state, count(*) filter (where error ->> 'reason' is distinct from 'fault'),
                sum(accepted), sum(duplicate), sum(corrected), sum(gone.rejected)
            from gone where kind is distinct from 'archive'
            group by 1, 2
            on conflict (kind, state) do update
            set imports = forgotten_import.imports + excluded.imports,
                accepted = forgotten_import.accepted + excluded.accepted,
                duplicate = forgotten_import.duplicate + excluded.duplicate,
                corrected = forgotten_import.corrected + excluded.corrected,
                rejected = forgotten_import.rejected + excluded.rejected
        )
        select count(*) into imports from gone;
    end if;
    more := removed + rejects = p_rows or cardinality(roots) = 100;
end $$;
revoke execute on function forget_imports(timestamptz, integer) from public;
grant execute on function forget_imports(timestamptz, integer) to uptill_worker;
