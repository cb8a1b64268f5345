-- Presence: which workers hold an open session, and which claims ended without a word from their worker.

-- Each worker process takes one number and holds the advisory lock (1433691240, number) on a session of its own.
create sequence worker_presence as integer cycle;

alter table report_batch
    add column presence integer, -- number of the worker that claimed it; null: it had none
    add column claim_id uuid;    -- chosen by the worker: it can undo a claim whose answer it never got
alter table report -- the same for the finalisation
    add column finaliser_presence integer,
    add column finalise_claim_id uuid;

-- The workers whose session is open. The server drops the lock with the session, so a killed worker is missing at once.
create view present_worker as
select objid::bigint::integer as presence
from pg_locks
where locktype = 'advisory' and granted and objsubid = 2 and classid = 1433691240
  and database = (select oid from pg_database where datname = current_database());

-- Claims whose lease was taken back or ran out. The row goes when the worker turns out to be alive: then the claim is given
-- back (`burnt` - 1). presence: set where the worker was absent, so that its return alone proves that it lives.
create table missed_claim (
    report_id uuid not null references report on delete cascade,
    batch_no integer, -- null: the claim was of the finalisation
    attempt integer not null,
    claim_id uuid,
    presence integer,
    lease_until timestamptz not null, -- a live worker reports by then, since it renews each third of its lease
    missed_at timestamptz not null default clock_timestamp(),
    unique nulls not distinct (report_id, batch_no, attempt)
);
create index on missed_claim (presence) where presence is not null;

-- Batches to be tried again that nobody has published since they became due.
create index on report_batch (due_at) where state = 'pending' and burnt > 0 and due_at <= due_since;

-- How long work waits after its n-th counted claim: 0, 1, 5, 25, then 60 s each.
create function retry_pause(p_burnt integer) returns interval language sql immutable parallel safe as $$
    select make_interval(secs => case when p_burnt < 2 then 0 else least(power(5, least(p_burnt, 6) - 2), 60) end)
$$;

-- A claim may also replace a lease that is over before the scheduler has ended it.
create function note_missed_claim() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'report' then
        insert into missed_claim (report_id, attempt, claim_id, lease_until)
        values (old.id, old.finalise_attempt, old.finalise_claim_id, old.finalise_lease_until)
        on conflict do nothing;
    else
        insert into missed_claim (report_id, batch_no, attempt, claim_id, lease_until)
        values (old.report_id, old.batch_no, old.attempt, old.claim_id, old.lease_until)
        on conflict do nothing;
    end if;
    return null;
end $$;

create trigger note_missed_claim after update of attempt on report_batch
    for each row when (old.state = 'leased' and new.state = 'leased' and old.attempt <> new.attempt)
    execute function note_missed_claim();
create trigger note_missed_claim after update of finalise_attempt on report
    for each row when (old.finaliser is not null and old.finalise_lease_until is not null
                       and old.finalise_attempt <> new.finalise_attempt)
    execute function note_missed_claim();

grant usage on sequence worker_presence to uptill_worker;
grant select on present_worker to uptill_worker, uptill_readonly;
grant select, insert, delete on missed_claim to uptill_worker;
grant select on missed_claim to uptill_readonly;
