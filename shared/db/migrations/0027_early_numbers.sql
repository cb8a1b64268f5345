-- A large change of hours, zones or adjustments is written under a ledger number that it takes early, so that no other
-- writer waits for its rows. It counts from the number of its commit on, which is larger.

create table early_number (
    seq bigint primary key, -- in the rows of the change
    effective_seq bigint not null check (effective_seq > seq)
);
create index on early_number (effective_seq);

grant select on early_number to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
grant insert on early_number to uptill_ingest;

-- The numbers up to p_seq whose change did not count yet at p_seq.
create function not_yet_effective(p_seq bigint) returns bigint[]
language sql stable set search_path = pg_catalog, public, pg_temp as $$
    select array(select seq from early_number where seq <= p_seq and effective_seq > p_seq)
$$;

-- Whether a row that holds from one number until another one holds at p_seq. p_early is not_yet_effective(p_seq). Null is
-- from the beginning, or until now.
create function holds_at(p_since bigint, p_until bigint, p_seq bigint, p_early bigint[]) returns boolean
language sql immutable as $$
    select coalesce(p_since <= p_seq and p_since <> all(p_early), true)
        and coalesce(p_until > p_seq or p_until = any(p_early), true)
$$;

-- Keeps also what a change replaced that did not count yet at the oldest number that can be read.
create or replace function forget_history(p_rows integer) returns bigint
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    oldest bigint := (select history_from_seq from ledger_head);
    early bigint[] := not_yet_effective(oldest);
    name text;
    removed bigint;
    total bigint := 0;
begin
    foreach name in array array['superseded_poll', 'superseded_hours', 'superseded_timezone', 'superseded_labels'] loop
        execute format(
            'delete from public.%1$I where ctid = any(array('
            '    select ctid from public.%1$I where until_seq <= $1 and until_seq <> all($3) order by until_seq limit $2))', name)
        using oldest, p_rows - total, early;
        get diagnostics removed = row_count;
        total := total + removed;
    end loop;
    if total < p_rows then
        delete from early_number
        where seq = any(array(select seq from early_number where effective_seq <= oldest order by effective_seq limit p_rows - total));
        get diagnostics removed = row_count;
        total := total + removed;
    end if;
    return total;
end $$;
