-- Live state. `made_by`: rule, settings and time zones of the process that asks.

-- name: look
-- What the scheduler has to do for the standing job: make it, skip batches, bring them forward, publish them, let them rest, change
-- its period.
select bool_or(r.id is null or r.state not in ('queued', 'running') or b.stores > 2 * %(batch_stores)s),
    coalesce(bool_or(b.state = 'pending' and b.due_since <= now()), false),
    coalesce(bool_or(b.state = 'pending' and b.due_since > now() and b.burnt = 0 and n.seq <> head.data_cut
        and n.refreshed_at + (select now_pause(%(pause)s)) <= now()), false)
        and not has_unindexed_week('-infinity', 'infinity'),
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
-- New data: refreshed soon, but not more often than live state may cost. Not while a large load has unindexed weeks: each of
-- its chunks is news, and each refresh would read these weeks.
update report_batch b set due_since = now(), due_at = now()
from report r, now_batch n, ledger_head head
where r.kind = 'now' and b.report_id = r.id and n.report_id = b.report_id and n.batch_no = b.batch_no
  and b.state = 'pending' and b.burnt = 0 and b.due_since > now()
  and n.seq <> head.data_cut and n.refreshed_at + (select now_pause(%(pause)s)) <= now()
  and not has_unindexed_week('-infinity', 'infinity')

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

-- name: count_stores
select count(*) from store
where store_id >= coalesce(%(first_id)s::text, '') and (%(last_id)s::text is null or store_id < %(last_id)s)

-- name: stores
-- Their keys in the order of the ids.
select string_agg(int4send(store_key), ''::bytea order by store_id) from store
where store_id >= coalesce(%(first_id)s::text, '') and (%(last_id)s::text is null or store_id < %(last_id)s)

-- name: batch
select seq, import_id, committed_at, made_by, changes_at from now_batch
where report_id = %(report_id)s and batch_no = %(batch_no)s

-- name: touched
-- Whether changes after `seq` can touch stores of the batch. Polls before `from_time` only ever come late: then yes. Null: the
-- ledger does not tell. Yes while a large load has an unindexed week there: a refresh reads that week once for all stores.
with later as (
    select import.kind, chunk.min_at, chunk.max_at
    from import_chunk chunk join import on import.id = chunk.import_id
    where chunk.commit_seq > %(seq)s
), bounds as (
    select bool_or(kind <> 'polls' or min_at < %(from_time)s) as always, min(min_at) as first, max(max_at) as last from later
)
select case when always or has_unindexed_week(%(from_time)s, %(to_time)s) then true else exists (
    select from unnest(%(store_keys)s::integer[]) given (store_key), bounds, lateral (
        select from observation o
        where o.store_key = given.store_key and o.observed_at between bounds.first and bounds.last
            and o.observed_at >= %(from_time)s and o.observed_at < %(to_time)s
            and full_seq(o.since_seq, (select seq from ledger_head)) > %(seq)s
        limit 1) newer)
    or exists (
        select from sealed_store
        where store_key = any(%(store_keys)s) and newest_seq > %(seq)s and last_at >= %(from_time)s and starts_at < %(to_time)s)
    or exists (
        select from poll_note
        where store_key = any(%(store_keys)s) and since_seq > %(seq)s
            and observed_at >= %(from_time)s and observed_at < %(to_time)s)
    end
from bounds
where exists (
    select from import_chunk
    where commit_seq = %(seq)s and import_id = %(import_id)s and committed_at = %(committed_at)s)
    and (select forgotten_seq from ledger_head) <= %(seq)s

-- name: last_polls
-- One search per store, for those whose last poll is old. While a large load has unindexed weeks, nothing is searched: the row
-- of the last refresh has what was known before, and `is_final` is false.
with loading as materialized (select has_unindexed_week('-infinity', %(before)s) as is_so)
select string_agg(int4send(store_key) || timestamptz_send(observed_at) || boolsend(is_active), ''::bytea),
    not (select is_so from loading) as is_final
from (
    select given.store_key, last.observed_at, last.is_active
    from unnest(%(store_keys)s::integer[]) given (store_key)
    join store on store.store_key = given.store_key, lateral (
        (select observed_at, is_active from observation o
         where o.store_key = given.store_key and o.observed_at >= store.first_polled_at and o.observed_at < %(before)s
         order by observed_at desc
         limit 1)
        union all
        (select last_at, last_active from sealed_store s
         where s.store_key = given.store_key and s.last_at < %(before)s
         order by starts_at desc
         limit 1)
        order by observed_at desc
        limit 1) last
    where not (select is_so from loading)
    union all
    select store_key, last_poll_at, last_poll_active from store_now
    where (select is_so from loading) and store_key = any(%(store_keys)s) and last_poll_at < %(before)s
) found

-- name: known_rows
-- Store, digests and number of the state, from 1, of each row.
select string_agg(int4send(store_key) || int8send(digest) || int8send(coalesce(lasting, 0))
    || int4send(array_position(%(states)s::text[], state)), ''::bytea)
from store_now where store_key = any(%(store_keys)s)

-- name: lock_batch
-- Under the lock of the report's row: changes get their ids in the order of the commits.
update report_batch b
set state = 'pending', lease_until = null, burnt = 0, error = null, stores = %(stores)s,
    due_since = clock_timestamp() + r.refresh_every, due_at = clock_timestamp() + r.refresh_every
from report r
where b.report_id = %(report_id)s and b.batch_no = %(batch_no)s and b.attempt = %(attempt)s and b.state = 'leased'
    and r.id = b.report_id

-- name: note_refresh
insert into now_batch (report_id, batch_no, seq, import_id, committed_at, made_by, changes_at, refreshed_at, took)
values (%(report_id)s, %(batch_no)s, %(seq)s, %(import_id)s, %(committed_at)s, %(made_by)s, %(changes_at)s, %(refreshed_at)s,
    clock_timestamp() - %(refreshed_at)s)
on conflict (report_id, batch_no) do update
set seq = excluded.seq, import_id = excluded.import_id, committed_at = excluded.committed_at, made_by = excluded.made_by,
    changes_at = excluded.changes_at, refreshed_at = excluded.refreshed_at, took = excluded.took

-- name: tell_refreshed
-- The scheduler then evaluates the alert rules.
select pg_notify('live_state_refreshed', '')

-- name: lags
-- Whether a batch waits for data that it has not seen.
select exists (select from now_batch n, ledger_head head where n.seq <> head.data_cut)

-- name: insert_rows
-- New stores, whose rows are written like the others.
insert into store_now (store_key, batch_no, state, day_from, counted_at, up_us, down_us, down_open_us, inactive_polls, digest)
select store_key, %(batch_no)s, 'unknown', %(refreshed_at)s, %(refreshed_at)s, 0, 0, 0, 0, 0
from unnest(%(store_key)s::integer[]) as row (store_key)
on conflict do nothing

-- name: update_rows
-- An update takes half the time of an upsert, which locks each row first. Values are taken from their arrays by the place of
-- the row's key: that takes half the time of unnesting all arrays. The inner select hides the number of keys from the planner,
-- which otherwise reads the whole table for each batch. Instants: -infinity means none. `state` counts from 0, `accrues` and
-- `fault` from 1; 0: none of these two.
update store_now n
set batch_no = %(batch_no)s, state = (%(states)s::text[])[(%(state)s::bigint[])[row.place] + 1],
    since_earliest = nullif((%(since_earliest)s::timestamptz[])[row.place], '-infinity'),
    since_latest = nullif((%(since_latest)s::timestamptz[])[row.place], '-infinity'),
    last_poll_at = nullif((%(last_poll)s::timestamptz[])[row.place], '-infinity'),
    last_poll_active = case when (%(last_poll)s::timestamptz[])[row.place] > '-infinity'
        then (%(last_active)s::bigint[])[row.place] <> 0 end,
    hours_from = nullif((%(hours_from)s::timestamptz[])[row.place], '-infinity'),
    open_from = nullif((%(open_from)s::timestamptz[])[row.place], '-infinity'),
    open_until = nullif((%(open_until)s::timestamptz[])[row.place], '-infinity'),
    opens_at = nullif((%(opens_at)s::timestamptz[])[row.place], '-infinity'),
    day_from = (%(day_from)s::timestamptz[])[row.place], counted_at = (%(counted)s::timestamptz[])[row.place],
    accrues = ('{up,down}'::text[])[(%(accrues)s::bigint[])[row.place]],
    up_us = (%(up_us)s::bigint[])[row.place], down_us = (%(down_us)s::bigint[])[row.place],
    down_open_us = (%(down_open_us)s::bigint[])[row.place], inactive_polls = (%(inactive_polls)s::bigint[])[row.place],
    usual_gap_us = nullif((%(usual_gap_us)s::bigint[])[row.place], -1),
    fault = (%(faults)s::text[])[(%(fault)s::bigint[])[row.place]], digest = (%(digest)s::bigint[])[row.place],
    lasting = (%(lasting)s::bigint[])[row.place]
from unnest((select %(store_key)s::integer[])) with ordinality as row (store_key, place)
where n.store_key = row.store_key

-- name: update_polls
-- The same for stores that were polled again and are what they were. Most updates are of this kind.
update store_now n
set last_poll_at = nullif((%(last_poll)s::timestamptz[])[row.place], '-infinity'),
    last_poll_active = case when (%(last_poll)s::timestamptz[])[row.place] > '-infinity'
        then (%(last_active)s::bigint[])[row.place] <> 0 end,
    inactive_polls = (%(inactive_polls)s::bigint[])[row.place],
    usual_gap_us = nullif((%(usual_gap_us)s::bigint[])[row.place], -1),
    digest = (%(digest)s::bigint[])[row.place], lasting = (%(lasting)s::bigint[])[row.place]
from unnest((select %(store_key)s::integer[])) with ordinality as row (store_key, place)
where n.store_key = row.store_key

-- name: insert_changes
-- `was` counts from 1, `state` from 0.
insert into now_change (at, store_key, was, state, since_earliest, since_latest)
select %(refreshed_at)s, store_key, (%(states)s::text[])[was], (%(states)s::text[])[state + 1],
    nullif(since_earliest, '-infinity'), nullif(since_latest, '-infinity')
from unnest(%(store_key)s::integer[], %(was)s::bigint[], %(state)s::bigint[], %(since_earliest)s::timestamptz[],
    %(since_latest)s::timestamptz[]) as row (store_key, was, state, since_earliest, since_latest)
order by store_key
