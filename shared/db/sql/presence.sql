-- Which workers are present, and what happens to the leases and claims of absent ones.

-- name: new_number
select nextval('worker_presence')::integer

-- name: take_lock
select pg_try_advisory_lock(1433691240, %(number)s)

-- name: own_session
-- The backend that answers, and whether the lock is on it.
select pg_backend_pid(), exists (
    select from pg_locks
    where locktype = 'advisory' and granted and objsubid = 2 and pid = pg_backend_pid()
      and classid = 1433691240 and objid = %(number)s)

-- name: presence_check
-- The absent holders of leases, whether an absent worker has returned, and whether a retry waits to be published.
select
    array(
        select presence from (
            select presence from report_batch where state = 'leased'
            union
            select finaliser_presence from report where state = 'running' and finalise_lease_until > clock_timestamp()
        ) holder
        where presence is not null and not exists (select from present_worker p where p.presence = holder.presence)),
    exists (select from missed_claim join present_worker using (presence)),
    exists (
        select from report_batch b join report r on r.id = b.report_id
        where b.state = 'pending' and b.burnt > 0 and b.due_at <= b.due_since and b.due_at <= clock_timestamp()
          and b.burnt < %(max_attempts)s and r.state in ('queued', 'running')),
    pg_postmaster_start_time() < clock_timestamp() - %(grace)s

-- name: take_back_batches
-- Checks the absence again. A locked row belongs to a worker that is alive.
with held as (
    select report_id, batch_no, attempt, claim_id, presence, lease_until
    from report_batch b
    where state = 'leased' and presence = any(%(absent)s)
      and not exists (select from present_worker p where p.presence = b.presence)
    for update of b skip locked
), missed as (
    insert into missed_claim (report_id, batch_no, attempt, claim_id, presence, lease_until)
    select report_id, batch_no, attempt, claim_id, presence, lease_until from held
    on conflict do nothing
)
update report_batch b
set state = 'pending', lease_until = null, due_at = clock_timestamp() + retry_pause(b.burnt),
    due_since = clock_timestamp() + retry_pause(b.burnt)
from held
where b.report_id = held.report_id and b.batch_no = held.batch_no

-- name: take_back_finalisations
with held as (
    select id, finalise_attempt, finalise_claim_id, finaliser_presence, finalise_lease_until
    from report r
    where state = 'running' and finalise_lease_until > clock_timestamp() and finaliser_presence = any(%(absent)s)
      and not exists (select from present_worker p where p.presence = r.finaliser_presence)
    for update of r skip locked
), missed as (
    insert into missed_claim (report_id, attempt, claim_id, presence, lease_until)
    select id, finalise_attempt, finalise_claim_id, finaliser_presence, finalise_lease_until from held
    on conflict do nothing
)
update report r
set finaliser = null, finaliser_presence = null, finalise_lease_until = clock_timestamp() + retry_pause(r.finalise_burnt)
from held
where r.id = held.id
returning r.id, r.finalise_lease_until <= clock_timestamp()

-- name: take_retries
-- Like `take_due`, for batches that were tried before and not published since they became due.
update report_batch b
set due_at = clock_timestamp() + %(republish)s
from (
    select d.report_id, d.batch_no
    from report_batch d join report r on r.id = d.report_id
    where d.state = 'pending' and d.burnt > 0 and d.due_at <= d.due_since and d.due_at <= clock_timestamp()
      and d.burnt < %(max_attempts)s and r.state in ('queued', 'running')
    order by d.due_at, d.report_id, d.batch_no
    limit %(limit)s
    for update of d skip locked
) due
where b.report_id = due.report_id and b.batch_no = due.batch_no
returning b.report_id, b.batch_no, b.is_short

-- name: return_claims_of_present
-- Their workers were absent and have a session again, so they were alive all the time.
with returned as (
    delete from missed_claim m using present_worker p where p.presence = m.presence
    returning m.report_id, m.batch_no
), batches as (
    update report_batch b set burnt = greatest(b.burnt - claims, 0)
    from (select report_id, batch_no, count(*)::integer as claims from returned group by 1, 2) counted
    where b.report_id = counted.report_id and b.batch_no = counted.batch_no
), finalisations as (
    update report r set finalise_burnt = greatest(r.finalise_burnt - claims, 0)
    from (select report_id, count(*)::integer as claims from returned where batch_no is null group by 1) counted
    where r.id = counted.report_id
)
select count(*) from returned

-- name: return_batch_claim
-- The worker of this attempt is alive. Idempotent.
with returned as (
    delete from missed_claim
    where report_id = %(report_id)s and batch_no = %(batch_no)s and attempt = %(attempt)s
    returning report_id, batch_no
)
update report_batch b set burnt = greatest(b.burnt - 1, 0)
from returned
where b.report_id = returned.report_id and b.batch_no = returned.batch_no

-- name: return_finalise_claim
with returned as (
    delete from missed_claim where report_id = %(report_id)s and batch_no is null and attempt = %(attempt)s
    returning report_id
)
update report r set finalise_burnt = greatest(r.finalise_burnt - 1, 0)
from returned
where r.id = returned.report_id

-- name: claimed_batch
-- The batch of a claim, locked; also of one whose lease was taken back.
select b.report_id, b.batch_no from report_batch b
where (b.state = 'leased' and b.claim_id = %(claim_id)s)
    or (b.report_id, b.batch_no) in (select report_id, batch_no from missed_claim where claim_id = %(claim_id)s)
for update

-- name: undo_batch_claim
-- The answer to the claim was lost, so the worker never began. If the lease ended meanwhile, the claim is returned.
with returned as (
    delete from missed_claim where report_id = %(report_id)s and batch_no = %(batch_no)s and claim_id = %(claim_id)s
    returning batch_no
)
update report_batch b
set state = case when own then 'pending' else state end, lease_until = case when own then null else lease_until end,
    due_at = case when own then clock_timestamp() else due_at end,
    due_since = case when own then clock_timestamp() else due_since end, burnt = greatest(b.burnt - 1, 0)
from (
    select report_id, batch_no, state = 'leased' and claim_id = %(claim_id)s as own from report_batch
    where report_id = %(report_id)s and batch_no = %(batch_no)s
) now
where b.report_id = now.report_id and b.batch_no = now.batch_no and (own or exists (select from returned))

-- name: undo_finalise_claim
with returned as (
    delete from missed_claim where report_id = %(report_id)s and batch_no is null and claim_id = %(claim_id)s
    returning report_id
)
update report r
set finaliser = case when own then null else finaliser end,
    finaliser_presence = case when own then null else finaliser_presence end,
    finalise_lease_until = case when own then clock_timestamp() else finalise_lease_until end,
    finalise_burnt = greatest(r.finalise_burnt - 1, 0)
from (
    select id, state = 'running' and finaliser is not null and finalise_claim_id = %(claim_id)s as own from report
    where id = %(report_id)s
) now
where r.id = now.id and (own or exists (select from returned))

-- name: count_batch_claim
-- The attempt failed on its own, so its claim counts, even if its worker seemed absent.
delete from missed_claim where report_id = %(report_id)s and batch_no = %(batch_no)s and attempt = %(attempt)s

-- name: count_finalise_claim
delete from missed_claim where report_id = %(report_id)s and batch_no is null and attempt = %(attempt)s

-- name: forget_missed_claims
-- Of ended reports and of live state, an hour later: until then a frozen worker may still wake up and return its claim.
delete from missed_claim m using report r
where r.id = m.report_id and (r.state not in ('queued', 'running') or r.kind = 'now')
    and m.missed_at < clock_timestamp() - interval '1 hour'
