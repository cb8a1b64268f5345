-- Live state and alert rules follow new data at once: the ledger and each refresh notify the scheduler.

-- From the instant of the last refresh of a batch until its commit. Null: an earlier release refreshed it.
alter table now_batch add column took interval;

-- The shortest time between two refreshes of a batch. At most a fifth of one worker's thread goes into live state: after a
-- refresh of all batches there are four times as long without one, but never more than `p_longest`.
create function now_pause(p_longest interval) returns interval language sql stable as $$
    select least(p_longest, greatest(interval '1 second',
        case when bool_and(took is not null) then 4 * sum(took) else p_longest end))
    from now_batch
$$;

-- A notice that is lost costs one sweep. Commits of the ledger run one after another anyway, so the lock of notices delays none.
create function tell_data_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('data_changed', '');
    return null;
end $$;
create trigger tell_data_changed after update on ledger_head
    for each row when (old.data_cut is distinct from new.data_cut) execute function tell_data_changed();
