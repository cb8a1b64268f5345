-- The data cut: the ledger number of the last commit that changed data. Commits that bring only duplicates or rejected rows
-- get a number too, as every chunk does, but leave the cut alone: reports stay shared and caches stay valid.
alter table ledger_head add column data_cut bigint not null default 0;
alter table ledger_head add column unchanged_commits bigint not null default 0; -- counted by who knows that nothing changed
update ledger_head set data_cut = seq;

-- The release before takes a number without saying whether anything changed, so its commits all move the cut.
create function follow_data_cut() returns trigger language plpgsql as $$
begin
    if new.unchanged_commits = old.unchanged_commits then
        new.data_cut := new.seq;
    end if;
    return new;
end $$;
create trigger follow_data_cut before update of seq on ledger_head
    for each row execute function follow_data_cut();

-- When a message for the finalisation was last published by a sweep, so that the next sweep does not publish one more.
alter table report add column finalise_published_at timestamptz;
