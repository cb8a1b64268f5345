-- Live state. `made_by`: rule, settings and time zones of the process that asks.

-- name: look
-- What the scheduler has to do for the standing job: make it, skip batches, bring them forward, publish them, let them rest, change
-- its period.
select bool_or(r.id is null or r.state not in ('queued', 'running') or b.stores > 2 * %(batch_stores)s),
    coalesce(bool_or(b.state = 'pending' and b.due_since <= now()), false),
    coalesce(bool_or(b.state = 'pending' and b.due_since > now() and b.burnt = 0 and n.seq <> head.data_cut
        and n.refreshed_at + %(pause)s <= now()), false),
    coalesce(bool_or(b.state = 'pending' and b.burnt >= %(max_attempts)s), false),
    bool_or(r.refresh_every is distinct from %(every)s)
from ledger_head head
left join report r on r.kind = 'now'
left join report_batch b on b.report_id = r.id
left join now_batch n on n.report_id = b.report_id and n.batch_no = b.batch_no

-- name: lock_plan
-- Of two schedulers, one at a time.
select pg_advisory_xact_lock(hashtextextended('uptill.now', 0))

-- name: needs_plan
select bool_or(r.id is null or r.state not in ('queued', 'running') or b.stores > 2 * %(batch_stores)s)
from (values (1)) one
left join report r on r.kind = 'now'
left join report_batch b on b.report_id = r.id

-- name: set_period
update report set refresh_every = %(every)s where kind = 'now' and refresh_every is distinct from %(every)s

-- name: delete_job
-- A worker that still computes one of its batches finds it gone.
delete from report where kind = 'now'

-- name: forget_rows
-- Without live state there are no rows that look like it.
with changes as (delete from now_change)
delete from store_now

-- name: forget_changes
delete from now_change
where id in (select id from now_change where at < clock_timestamp() - %(keep)s order by at limit %(limit)s)

-- name: insert_job
insert into report (id, kind, as_of, policy, policy_version, windows, formats, data_cut, tzdata_accepted,
    refresh_every)
select %(id)s, 'now', clock_timestamp(), %(policy)s, %(policy_version)s, '{}', '{}', data_cut, %(tzdata_version)s, %(every)s
from ledger_head

-- name: insert_batches
-- Ranges without gaps: from `first_id` up to but not including `last_id`. Null: no bound. So a new store is in one of them.
insert into report_batch (report_id, batch_no, first_id, last_id, stores, is_short, due_at, due_since)
select %(id)s, row_number() over (order by place) - 1, first_id, lead(first_id) over (order by place), 0, true, now(), now()
from (
    select 0 as place, null as first_id
    union all
    select place, store_id from (
        select row_number() over (order by store_id) - 1 as place, store_id from store
    ) numbered
    where place > 0 and place %% %(batch_stores)s = 0
) borders

-- name: skip_unchanged
-- Nothing can have changed in these batches: no new data in the ledger, and no instant at which a state changes by itself.
with due as (
    select b.report_id, b.batch_no
    from report r
    join report_batch b on b.report_id = r.id
    join now_batch n on n.report_id = b.report_id and n.batch_no = b.batch_no
    cross join ledger_head head
    left join import_chunk chunk on chunk.commit_seq = head.data_cut
    where r.kind = 'now' and b.state = 'pending' and b.due_since <= now() and n.changes_at > now()
      and n.seq = head.data_cut and n.made_by = %(made_by)s
      and (n.import_id, n.committed_at) is not distinct from (chunk.import_id, chunk.committed_at)
    for update of b skip locked
), skipped as (
    update report_batch b set due_since = now() + %(every)s, due_at = now() + %(every)s
    from due where b.report_id = due.report_id and b.batch_no = due.batch_no
)
update now_batch n set refreshed_at = now()
from due where n.report_id = due.report_id and n.batch_no = due.batch_no

-- name: bring_forward
-- New data: refreshed soon, but not more often than each `pause`.
update report_batch b set due_since = now(), due_at = now()
from report r, now_batch n, ledger_head head
where r.kind = 'now' and b.report_id = r.id and n.report_id = b.report_id and n.batch_no = b.batch_no
  and b.state = 'pending' and b.burnt = 0 and b.due_since > now()
  and n.seq <> head.data_cut and n.refreshed_at + %(pause)s <= now()

-- name: let_rest
-- A batch that used up its claims is tried again later. The other batches go on.
update report_batch b set burnt = 0, due_since = now() + %(rest)s, due_at = now() + %(rest)s
from report r
where r.kind = 'now' and b.report_id = r.id and b.state = 'pending' and b.burnt >= %(max_attempts)s
returning b.batch_no, b.error

-- name: take_due
update report_batch b set due_at = now() + %(republish)s
from report r
where r.kind = 'now' and b.report_id = r.id and b.state = 'pending' and b.due_since <= now() and b.due_at <= now()
returning b.report_id, b.batch_no

-- name: instant
select now()

-- name: stores
select store_key, store_id, timezone from store
where store_id >= coalesce(%(first_id)s::text, '') and (%(last_id)s::text is null or store_id < %(last_id)s)
order by store_id
limit %(limit)s

-- name: batch
select seq, import_id, committed_at, made_by, changes_at from now_batch
where report_id = %(report_id)s and batch_no = %(batch_no)s

-- name: touched
-- Whether changes after `seq` can touch stores of the batch. Polls before `from_time` only ever come late: then yes. Null: the
-- ledger does not tell.
with later as (
    select import.kind, chunk.min_at, chunk.max_at
    from import_chunk chunk join import on import.id = chunk.import_id
    where chunk.commit_seq > %(seq)s
), bounds as (
    select bool_or(kind <> 'polls' or min_at < %(from_time)s) as always, min(min_at) as first, max(max_at) as last from later
)
select coalesce(always, false) or exists (
    select from unnest(%(store_keys)s::integer[]) given (store_key), bounds, lateral (
        select from observation o
        where o.store_key = given.store_key and o.observed_at between bounds.first and bounds.last
            and o.observed_at >= %(from_time)s and o.observed_at < %(to_time)s
            and full_seq(o.since_seq, (select seq from ledger_head)) > %(seq)s
        limit 1) newer)
from bounds
where exists (
    select from import_chunk
    where commit_seq = %(seq)s and import_id = %(import_id)s and committed_at = %(committed_at)s)
    and (select forgotten_seq from ledger_head) <= %(seq)s

-- name: last_polls
-- One search per store, for those whose last poll is old.
select string_agg(int4send(given.store_key) || timestamptz_send(last.observed_at) || boolsend(last.is_active), ''::bytea)
from unnest(%(store_keys)s::integer[]) given (store_key)
join store on store.store_key = given.store_key, lateral (
    select observed_at, is_active from observation o
    where o.store_key = given.store_key and o.observed_at >= store.first_polled_at and o.observed_at < %(before)s
    order by observed_at desc
    limit 1) last

-- name: known_digests
select string_agg(int4send(store_key) || int8send(digest), ''::bytea) from store_now where store_key = any(%(store_keys)s)

-- name: lock_batch
-- Under the lock of the report's row: changes get their ids in the order of the commits.
update report_batch b
set state = 'pending', lease_until = null, burnt = 0, error = null, stores = %(stores)s,
    due_since = clock_timestamp() + r.refresh_every, due_at = clock_timestamp() + r.refresh_every
from report r
where b.report_id = %(report_id)s and b.batch_no = %(batch_no)s and b.attempt = %(attempt)s and b.state = 'leased'
    and r.id = b.report_id

-- name: note_refresh
insert into now_batch (report_id, batch_no, seq, import_id, committed_at, made_by, changes_at, refreshed_at)
values (%(report_id)s, %(batch_no)s, %(seq)s, %(import_id)s, %(committed_at)s, %(made_by)s, %(changes_at)s, %(refreshed_at)s)
on conflict (report_id, batch_no) do update
set seq = excluded.seq, import_id = excluded.import_id, committed_at = excluded.committed_at, made_by = excluded.made_by,
    changes_at = excluded.changes_at, refreshed_at = excluded.refreshed_at

-- name: write_rows
-- Instants in microseconds since 1970; -1: none.
with given as (
    select store_key, state, instant_of(since_earliest) as since_earliest, instant_of(since_latest) as since_latest,
        instant_of(last_poll) as last_poll_at, case when last_poll >= 0 then last_active end as last_poll_active,
        instant_of(open_until) as open_until, instant_of(opens_at) as opens_at, instant_of(day_from) as day_from,
        instant_of(counted) as counted_at, nullif(accrues, '') as accrues, up_us, down_us, down_open_us, inactive_polls,
        nullif(usual_gap, -1) as usual_gap_us, nullif(fault, '') as fault, digest
    from unnest(
        %(store_key)s::integer[], %(state)s::text[], %(since_earliest)s::bigint[], %(since_latest)s::bigint[],
        %(last_poll)s::bigint[], %(last_active)s::boolean[], %(open_until)s::bigint[], %(opens_at)s::bigint[],
        %(day_from)s::bigint[], %(counted)s::bigint[], %(accrues)s::text[], %(up)s::bigint[], %(down)s::bigint[],
        %(down_open)s::bigint[], %(inactive_polls)s::integer[], %(usual_gap)s::bigint[], %(fault)s::text[], %(digest)s::bigint[])
        as row (store_key, state, since_earliest, since_latest, last_poll, last_active, open_until, opens_at, day_from,
            counted, accrues, up_us, down_us, down_open_us, inactive_polls, usual_gap, fault, digest)
), changed as (
    insert into now_change (at, store_key, was, state, since_earliest, since_latest)
    select %(refreshed_at)s, given.store_key, was.state, given.state, given.since_earliest, given.since_latest
    from given join store_now was using (store_key)
    where was.state <> given.state
    order by given.store_key
)
insert into store_now (store_key, batch_no, state, since_earliest, since_latest, last_poll_at, last_poll_active, open_until,
    opens_at, day_from, counted_at, accrues, up_us, down_us, down_open_us, inactive_polls, usual_gap_us, fault, digest)
select store_key, %(batch_no)s, state, since_earliest, since_latest, last_poll_at, last_poll_active, open_until, opens_at,
    day_from, counted_at, accrues, up_us, down_us, down_open_us, inactive_polls, usual_gap_us, fault, digest
from given
on conflict (store_key) do update
set batch_no = excluded.batch_no, state = excluded.state, since_earliest = excluded.since_earliest,
    since_latest = excluded.since_latest, last_poll_at = excluded.last_poll_at, last_poll_active = excluded.last_poll_active,
    open_until = excluded.open_until, opens_at = excluded.opens_at, day_from = excluded.day_from,
    counted_at = excluded.counted_at, accrues = excluded.accrues, up_us = excluded.up_us, down_us = excluded.down_us,
    down_open_us = excluded.down_open_us, inactive_polls = excluded.inactive_polls, usual_gap_us = excluded.usual_gap_us,
    fault = excluded.fault, digest = excluded.digest
