-- The life of a report. All times are by this database's clock (clock_timestamp), never by a process's.

-- name: resolve_as_of
-- The data cut of this snapshot, and as_of if the caller gave none.
select data_cut as accepted_seq,
       case %(as_of_mode)s
           when 'latest' then coalesce(latest_observed_at, clock_timestamp())
           when 'now' then clock_timestamp()
           else %(as_of)s::timestamptz
       end as as_of
from ledger_head

-- name: open_reports
-- Unfinished reports of a line of keys: a key and those that it replaced.
select count(*) from report where key_line = key_line(%(created_by)s) and state in ('queued', 'running')

-- name: find_idempotent
-- `of_another`: the report was canceled, but not by the caller's line, or perhaps for another Idempotency-Key.
select i.report_id, i.request_sha256,
    r.state = 'canceled' and (w.withdrawn_at is null or w.is_ambiguous) as of_another
from idempotency i
join report r on r.id = i.report_id
left join report_interest w on w.report_id = r.id and w.key_line = key_line(%(created_by)s)
where i.created_by = %(created_by)s and i.key = %(key)s and i.created_at > clock_timestamp() - interval '24 hours'

-- name: hold_report
-- Locked until the end of the transaction, so that no key cancels the report before the caller's interest is committed.
select state from report where id = %(id)s for share

-- name: note_interest
-- Writes only what is new, so that many equal requests at once do not wait for one row. The line that created the report
-- needs no row.
insert into report_interest (report_id, key_line)
select r.id, asked.line
from report r, (values (key_line(%(created_by)s))) asked (line)
left join report_interest known on known.report_id = %(id)s and known.key_line = asked.line
where r.id = %(id)s and case when known.report_id is null then r.key_line <> asked.line else known.withdrawn_at is not null end
on conflict (report_id, key_line) do update set withdrawn_at = null

-- name: keep_idempotent
insert into idempotency (created_by, key, request_sha256, report_id)
values (%(created_by)s, %(key)s, %(request_sha256)s, %(report_id)s)
on conflict (created_by, key) do update
set request_sha256 = excluded.request_sha256, report_id = excluded.report_id, created_at = clock_timestamp()

-- name: keep_question
-- Of two equal requests at the same time, the later one fails to serialise and finds the other's report on its next try.
-- An advisory lock could not do that: after waiting for it, a transaction still has its old snapshot. The row belongs to
-- no caller.
insert into idempotency (created_by, key, request_sha256, report_id)
select '', encode(sha256(convert_to(jsonb_build_array(
    data_cut, as_of, policy, policy_version, detail, windows, formats, file_kinds, stores, scope, tzdata_accepted,
    exclude_reasons)::text, 'UTF8')), 'hex'), '', id
from report where id = %(report_id)s
on conflict (created_by, key) do update set report_id = excluded.report_id

-- name: find_same
-- Equal requests about the same data share one report, unless its files are lost, it was made without some of its stores, or
-- another time zone database was in use when it was accepted.
select id from report
where data_cut = %(accepted_seq)s and as_of = %(as_of)s and policy = %(policy)s and policy_version = %(policy_version)s
  and detail = %(detail)s and windows = %(windows)s and formats = %(formats)s and file_kinds = %(files)s
  and stores is not distinct from %(stores)s and scope is not distinct from %(scope)s
  and exclude_reasons = %(exclude_reasons)s::text[]
  and tzdata_accepted = %(tzdata_version)s
  and not exists (select from report_failed_store where report_id = report.id)
  and state in ('queued', 'running', 'succeeded') and id <> all(%(unusable)s)
order by created_at
limit 1

-- name: lock_cancelable
select from report
where id = %(id)s and kind = 'report' and state in ('queued', 'running')
    and (%(scope)s::jsonb is null or scope @> %(scope)s::jsonb)
for update

-- name: withdraw
-- Only a line that wants the report can withdraw: the one that created it, or one that asked for the same.
insert into report_interest (report_id, key_line, withdrawn_at, is_ambiguous)
select wants.id, wants.key_line, clock_timestamp(),
    (select count(*) > 1 from idempotency where report_id = wants.id and key_line(created_by) = wants.key_line)
from (
    select id, key_line from report where id = %(id)s and key_line = key_line(%(by)s)
    union
    select report_id, key_line from report_interest where report_id = %(id)s and key_line = key_line(%(by)s)
) wants
on conflict (report_id, key_line) do update
set withdrawn_at = excluded.withdrawn_at, is_ambiguous = report_interest.is_ambiguous or excluded.is_ambiguous

-- name: is_wanted
-- By the line that created it, unless it withdrew, or by another that asked for the same.
select exists (
    select key_line from report r where id = %(id)s and not exists (
        select from report_interest i where i.report_id = r.id and i.key_line = r.key_line)
    union all
    select key_line from report_interest where report_id = %(id)s and withdrawn_at is null)

-- name: cancel_report
update report set state = 'canceled', finished_at = clock_timestamp()
where id = %(id)s and kind = 'report' and state in ('queued', 'running')
    and (%(scope)s::jsonb is null or scope @> %(scope)s::jsonb)

-- name: reopen_report
update report
set state = 'queued', error = null, finished_at = null, finalise_burnt = 0, finalise_lease_until = null
where id = %(id)s and kind = 'report' and state = 'failed' and (%(scope)s::jsonb is null or scope @> %(scope)s::jsonb)
returning key_line

-- name: revive_batches
update report_batch set state = 'pending', burnt = 0, error = null, due_at = clock_timestamp() + %(republish)s,
    due_since = clock_timestamp()
where report_id = %(id)s and state in ('pending', 'dead')
returning batch_no

-- name: unknown_stores
-- How many of the ids belong to no store that the caller may see, and the first few.
select count(*), (array_agg(id order by id collate "C"))[:5]
from unnest(%(ids)s::text[]) wanted (id)
where not exists (
    select from store
    where store_id = wanted.id and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb))

-- name: insert_report
insert into report (id, as_of, policy, policy_version, detail, windows, formats, file_kinds, stores, scope, data_cut, created_by,
    request_id, traceparent, tzdata_accepted, exclude_reasons)
values (%(id)s, %(as_of)s, %(policy)s, %(policy_version)s, %(detail)s, %(windows)s, %(formats)s, %(files)s, %(stores)s,
    %(scope)s, %(accepted_seq)s, %(created_by)s, %(request_id)s, %(traceparent)s, %(tzdata_version)s,
    %(exclude_reasons)s)

-- name: newest_store
-- A store keeps the number of its first poll and is never removed, so the same number means the same stores.
select max(polled_since_seq) from store where polled_since_seq <= %(accepted_seq)s

-- name: batch_ranges
-- Ranges of store_id in byte order, so that the file is the concatenation of its parts. Borders depend on the stores that came
-- first: a later store joins the range that its id falls into. So it moves no border elsewhere, and workers keep what they
-- remember (decision 49). A range that has become a quarter too large is divided evenly. Once the fleet has grown by a
-- quarter, all borders are drawn again.
with known as materialized (
    select store_id, polled_since_seq from store where polled_since_seq <= %(accepted_seq)s
), brought as (
    select polled_since_seq as seq, sum(count(*)) over (order by polled_since_seq) as stores, sum(count(*)) over () as total
    from known group by 1
), first as materialized (
    select min(seq) as seq from brought where stores >= least(total, floor(power(1.25, floor(ln(total) / ln(1.25)))))
), placed as (
    select store_id, greatest(0, count(*) filter (where polled_since_seq <= first.seq) over (order by store_id) - 1)
        / %(batch_stores)s as place
    from known, first
), counted as (
    select store_id, place, row_number() over same - 1 as number, count(*) over (partition by place) as stores
    from placed window same as (partition by place order by store_id)
)
select min(store_id), max(store_id), count(*)
from (
    select store_id, place, case when stores > %(batch_stores)s + %(batch_stores)s / 4
        then number * ceil(stores::numeric / %(batch_stores)s)::bigint / stores else 0 end as piece
    from counted
) divided
group by place, piece
order by place, piece

-- name: insert_ranges
insert into report_batch (report_id, batch_no, first_id, last_id, stores, is_short, home, due_at)
select %(id)s, place - 1, first_id, last_id, stores, is_short,
    case when not is_short then home_of(first_id, array(select presence from present_worker)) end,
    clock_timestamp() + %(republish)s
from (
    select *, stores <= %(short_stores)s and cardinality(%(range_stores)s::integer[]) = 1 as is_short
    from unnest(%(first_ids)s::text[], %(last_ids)s::text[], %(range_stores)s::integer[])
        with ordinality range (first_id, last_id, stores, place)
) range
returning batch_no, stores, is_short, home

-- name: insert_chosen
-- Like `insert_ranges`, for some of the stores: each batch lists its own.
insert into report_batch (report_id, batch_no, first_id, last_id, stores, store_keys, is_short, home, due_at)
select %(id)s, batch_no, first_id, last_id, stores, store_keys, is_short,
    case when not is_short then home_of(first_id, array(select presence from present_worker)) end,
    clock_timestamp() + %(republish)s
from (
    select batch_no, min(store_id) as first_id, max(store_id) as last_id, count(*) as stores,
        array_agg(store_key order by store_id) as store_keys,
        count(*) <= %(short_stores)s and count(*) over () = 1 as is_short
    from (
        select store_id, store_key, (row_number() over (order by store_id) - 1) / %(batch_stores)s as batch_no
        from store
        where polled_since_seq <= %(accepted_seq)s
          and (%(ids)s::text[] is null or store_id = any(%(ids)s::text[]))
          and (%(labels)s::jsonb is null or labels @> %(labels)s::jsonb)
          and (%(scope)s::jsonb is null or labels @> %(scope)s::jsonb)
    ) numbered
    group by batch_no
) range

-- name: copy_batches
-- The same stores as in another report.
insert into report_batch (report_id, batch_no, first_id, last_id, stores, store_keys, is_short, home, due_at)
select %(id)s, batch_no, first_id, last_id, stores, store_keys, is_short,
    case when not is_short then home_of(first_id, array(select presence from present_worker)) end,
    clock_timestamp() + %(republish)s
from report_batch where report_id = %(batches_of)s
returning batch_no, stores, is_short, home

-- name: report_to_revise
-- `first_id`: of its chain of revisions. `cut`: the ledger number at which it was read.
select id, coalesce(revision_of, id) as first_id, state, as_of, policy, policy_version, detail, windows, formats,
    file_kinds as files, stores, scope, exclude_reasons, data_cut, coalesce(read_cut, data_cut) as cut
from report
where id = %(id)s and kind = 'report' and (%(scope)s::jsonb is null or scope @> %(scope)s::jsonb)

-- name: find_revision
-- The newest report of the chain about the same data.
select id from report
where (id = %(first_id)s or revision_of = %(first_id)s) and tzdata_accepted = %(tzdata_version)s
  and policy_version = %(policy_version)s
  and case when %(pinned_cut)s::bigint is null then data_cut = %(accepted_seq)s else pinned_cut = %(pinned_cut)s end
  and not exists (select from report_failed_store where report_id = report.id)
  and state in ('queued', 'running', 'succeeded') and id <> all(%(unusable)s)
order by revision desc
limit 1

-- name: mark_revision
-- Of two at the same time, the unique index refuses the later one.
update report
set revision_of = %(first_id)s, pinned_cut = %(pinned_cut)s,
    revision = 1 + (select max(revision) from report other where other.id = %(first_id)s or other.revision_of = %(first_id)s)
where id = %(id)s
returning revision

-- name: insert_empty_batch
insert into report_batch (report_id, batch_no, stores, is_short, due_at)
select %(id)s, 0, 0, true, clock_timestamp() + %(republish)s
where not exists (select from report_batch where report_id = %(id)s)

-- name: list_batches
select batch_no, stores, is_short, home from report_batch where report_id = %(id)s

-- name: get_reports
-- Each id with the scope of its caller; `place` is its position in the lists.
select asked.place, r.id, state, as_of, policy, policy_version, detail, windows, formats, ids_given, labels, data_cut as accepted_seq,
    coalesce(tzdata_version, tzdata_accepted) as tzdata_version, created_at, started_at, finished_at, error, stores_total,
    stores_done, stores_failed, failed_stores, files, file_kinds, exclude_reasons, revision, revision_of, pinned_cut,
    facts_only_first, facts_only_last
from unnest(%(ids)s::uuid[], %(scopes)s::jsonb[]) with ordinality asked (id, scope, place)
join report_shown r on r.id = asked.id
join report_failures f on f.report_id = r.id
join (select id as own_id, file_kinds, exclude_reasons, revision, revision_of, pinned_cut from report) own on own_id = r.id
cross join lateral (
    select min(facts_only_first) as facts_only_first, max(facts_only_last) as facts_only_last
    from report_batch where report_id = r.id) facts_only
where asked.scope is null or r.scope @> asked.scope

-- name: list_reports
-- Without the names of failed stores: only the report itself lists them.
select id, state, as_of, policy, policy_version, detail, windows, formats, ids_given, labels, data_cut as accepted_seq,
    coalesce(tzdata_version, tzdata_accepted) as tzdata_version, created_at, started_at, finished_at, error, stores_total,
    stores_done, stores_failed, '[]'::jsonb as failed_stores, files, file_kinds, exclude_reasons, revision, revision_of, pinned_cut,
    facts_only_first, facts_only_last
from report_shown r join report_failures f on f.report_id = r.id
join (select id as own_id, file_kinds, exclude_reasons, revision, revision_of, pinned_cut from report) own on own_id = r.id
cross join lateral (
    select min(facts_only_first) as facts_only_first, max(facts_only_last) as facts_only_last
    from report_batch where report_id = r.id) facts_only
where (%(before_id)s::uuid is null or r.id < %(before_id)s)
  and (%(scope)s::jsonb is null or r.scope @> %(scope)s::jsonb)
  and (%(state)s::text is null or r.state = %(state)s)
  and (%(policy)s::text is null or r.policy = %(policy)s)
  and (%(created_after)s::timestamptz is null or r.created_at >= %(created_after)s)
  and (%(created_before)s::timestamptz is null or r.created_at < %(created_before)s)
order by r.id desc
limit %(limit)s

-- name: start_report
update report set state = 'running', started_at = clock_timestamp() where id = %(id)s and state = 'queued'

-- name: claim_batch
with started as (
    update report set state = 'running', started_at = clock_timestamp()
    from report_batch b
    where report.id = %(report_id)s and report.state = 'queued' and b.report_id = report.id and b.batch_no = %(batch_no)s
      and b.state = 'pending' and b.due_since <= clock_timestamp() and b.burnt < %(max_attempts)s
)
update report_batch b
set state = 'leased', attempt = b.attempt + 1, burnt = b.burnt + 1, worker = %(worker)s,
    presence = %(presence)s, claim_id = %(claim_id)s, lease_until = clock_timestamp() + %(lease)s
from report r
where b.report_id = %(report_id)s and b.batch_no = %(batch_no)s and r.id = b.report_id
  and r.state in ('queued', 'running')
  and b.burnt < %(max_attempts)s
  and ((b.state = 'pending' and b.due_since <= clock_timestamp()) or (b.state = 'leased' and b.lease_until < clock_timestamp()))
returning b.attempt, b.burnt >= %(max_attempts)s as is_last, r.request_id, r.traceparent,
    b.first_id, b.last_id, b.stores, b.store_keys, r.as_of, r.policy, r.detail, r.windows, r.data_cut, r.tzdata_accepted,
    r.file_kinds, r.pinned_cut, r.kind, r.first_day, r.last_day, r.exclude_reasons, r.force

-- name: claim_next
-- Reports come first, then live state, weeks that late polls wait for, facts and their exports, insights, and
-- sealing. The line of keys with the fewest leases (batches and merges) comes first. A random draw
-- decides between equals, which needs no row that all claims would update. Within a line: the oldest report, in the order
-- of its batches. Batches at home here, or nowhere, come before those of other workers, which are taken only if they were
-- not claimed within `grace`, and from the last one on: so the same ones are taken each time. With `only_short` only short
-- work. Two workers that claim at the same time skip each other's rows.
with recursive line (key_line) as (
    (select key_line from report where state in ('queued', 'running') order by key_line limit 1)
    union all
    select (select key_line from report
            where state in ('queued', 'running') and report.key_line > line.key_line order by key_line limit 1)
    from line where line.key_line is not null
), in_hand as (
    select r.key_line, count(*) as leases
    from (
        select report_id from report_batch where state = 'leased'
        union all
        select id from report where state = 'running' and finalise_lease_until > clock_timestamp()
    ) held (id)
    join report r using (id)
    group by r.key_line
), drawn as materialized (
    select line.key_line, coalesce(leases, 0) as leases, random() as draw
    from line left join in_hand using (key_line)
    where line.key_line is not null
), turn as materialized (
    select key_line, kind.name as kind, of_others
    from drawn cross join
        (values (1, 'report'), (2, 'now'), (3, 'unseal'), (4, 'facts'), (5, 'facts_export'), (6, 'insights'),
            (7, 'seal')) kind (place, name)
        cross join (values (false), (true)) whose (of_others)
    order by kind.place, leases, draw, of_others
), next as materialized (
    select found.report_id, found.batch_no
    from turn, lateral (
        select first.report_id, first.batch_no
        from report r, lateral (
            select report_id, batch_no from report_batch
            where report_id = r.id and state = 'pending' and due_since <= clock_timestamp()
              and burnt < %(max_attempts)s and (is_short or not %(only_short)s)
              and coalesce(home <> %(presence)s::integer, home is not null) = turn.of_others
              and (not turn.of_others or due_since < clock_timestamp() - %(grace)s::interval)
            order by case when turn.of_others then -batch_no else batch_no end
            limit 1
            for update skip locked
        ) first
        where r.key_line = turn.key_line and r.kind = turn.kind and r.state in ('queued', 'running')
        order by r.id
        limit 1
    ) found
    limit 1
), started as (
    update report set state = 'running', started_at = clock_timestamp()
    from next where report.id = next.report_id and report.state = 'queued'
)
update report_batch b
set state = 'leased', attempt = b.attempt + 1, burnt = b.burnt + 1, worker = %(worker)s, presence = %(presence)s,
    claim_id = %(claim_id)s, lease_until = clock_timestamp() + %(lease)s
from next, report r
where b.report_id = next.report_id and b.batch_no = next.batch_no and r.id = b.report_id and b.state = 'pending'
returning b.report_id, b.batch_no, b.attempt, b.burnt >= %(max_attempts)s as is_last, r.request_id, r.traceparent,
    b.first_id, b.last_id, b.stores, b.store_keys, r.as_of, r.policy, r.detail, r.windows, r.data_cut, r.tzdata_accepted,
    r.file_kinds, r.pinned_cut, r.kind, r.first_day, r.last_day, r.exclude_reasons, r.force

-- name: home_grace_left
-- Seconds until any worker may take a batch that is at home elsewhere. No row if it is not waiting for its home.
select extract(epoch from due_since + %(grace)s::interval - clock_timestamp())::float8
from report_batch
where report_id = %(report_id)s and batch_no = %(batch_no)s and state = 'pending' and home is not null
  and home is distinct from %(presence)s::integer and due_since > clock_timestamp() - %(grace)s::interval

-- name: renew_batch
-- Nothing of a report that has ended, as one that was canceled, is worth going on with.
update report_batch b set lease_until = clock_timestamp() + %(lease)s
from report r
where b.report_id = %(report_id)s and b.batch_no = %(batch_no)s and b.attempt = %(attempt)s and b.state = 'leased'
  and r.id = b.report_id and r.state in ('queued', 'running')

-- name: lock_report
select state from report where id = %(report_id)s for update

-- name: complete_batch
update report_batch b
set state = 'done', lease_until = null, part = %(part)s, size_bytes = %(size_bytes)s, sha256 = %(sha256)s,
    data_cut = %(read_seq)s, failed_stores = %(failed_stores)s, left_out = %(left_out)s, tzdata_version = %(tzdata_version)s,
    outages_part = %(outages_part)s, outages_size_bytes = %(outages_size_bytes)s, outages_sha256 = %(outages_sha256)s,
    outages_rows = %(outages_rows)s, summary_part = %(summary_part)s, summary_size_bytes = %(summary_size_bytes)s,
    summary_sha256 = %(summary_sha256)s, summary_rows = %(summary_rows)s, reasons_attempt = b.attempt, reasons_part = %(reasons_part)s,
    reasons_size_bytes = %(reasons_size_bytes)s, reasons_sha256 = %(reasons_sha256)s, reasons_rows = %(reasons_rows)s,
    facts_only_first = %(facts_only_first)s, facts_only_last = %(facts_only_last)s, error = null
from report r
where b.report_id = %(report_id)s and b.batch_no = %(batch_no)s and b.attempt = %(attempt)s and b.state = 'leased'
  and r.id = b.report_id and r.state = 'running'

-- name: forget_failed_stores
delete from report_failed_store where report_id = %(report_id)s and batch_no = %(batch_no)s

-- name: insert_failed_stores
insert into report_failed_store (report_id, batch_no, store_id, reason, detail)
select %(report_id)s, %(batch_no)s, store_id, reason, detail
from unnest(%(store_ids)s::text[], %(reasons)s::text[], %(details)s::text[]) failed (store_id, reason, detail)

-- name: list_failed_stores
-- By id, which is also their order in the file.
select store_id, reason, detail from report_failed_store
where report_id = %(report_id)s and (%(after_id)s::text is null or store_id > %(after_id)s)
order by store_id
limit %(limit)s

-- name: open_batches
select count(*) from report_batch where report_id = %(report_id)s and state <> 'done'

-- name: release_batch
-- Back to the queue after a pause. After an outage the claim does not count. If the lease is gone already,
-- `return_batch_claim` returns the claim. After any other error the batch waits longer each time. Idempotent.
update report_batch
set state = 'pending', lease_until = null,
    due_at = clock_timestamp() + case when %(give_back)s then %(pause)s else greatest(%(pause)s, retry_pause(burnt)) end,
    due_since = clock_timestamp() + case when %(give_back)s then %(pause)s else greatest(%(pause)s, retry_pause(burnt)) end,
    burnt = burnt - case when %(give_back)s and state = 'leased' then 1 else 0 end, error = %(error)s
where report_id = %(report_id)s and batch_no = %(batch_no)s and attempt = %(attempt)s and state in ('leased', 'pending')

-- name: holds_leases
select exists (select from report_batch where state = 'leased' and worker = %(worker)s)
    or exists (select from report
               where state = 'running' and finaliser = %(worker)s and finalise_lease_until > clock_timestamp())

-- name: release_batches_of
-- The worker is stopping, so the claim does not count.
update report_batch
set state = 'pending', lease_until = null, due_at = clock_timestamp(), burnt = burnt - 1
where state = 'leased' and worker = %(worker)s
returning report_id, batch_no

-- name: release_finalisations_of
update report
set finalise_lease_until = clock_timestamp(), finalise_burnt = finalise_burnt - 1, finaliser = null
where state = 'running' and finaliser = %(worker)s and finalise_lease_until > clock_timestamp()
returning id

-- name: stale_batches
-- Batches that were read before a change that a reader at ledger number `until` sees, or, if that is null, before one that a
-- batch of the report has seen: polls of the report's time range, hours, zones, and adjustments of hours. Changes outside that range do not matter; an adjustment without bounds touches
-- all of it. Labels decide which calendars and closures apply, so they matter once there is any adjustment, and for a report
-- that adds up stores by label (`by_labels`). A change that
-- the ledger may have forgotten counts.
with seen as (
    select coalesce(%(until)s, max(data_cut)) as until from report_batch where report_id = %(report_id)s)
select b.round, b.batch_no, b.first_id, b.last_id, b.stores, b.store_keys
from report_batch b, seen
where b.report_id = %(report_id)s and (
    b.data_cut < least(seen.until, (select forgotten_seq from ledger_head))
    or exists (
        select from import_chunk chunk join import on import.id = chunk.import_id
        where chunk.commit_seq > b.data_cut and chunk.commit_seq <= seen.until
          and (import.kind in ('hours', 'timezones', 'stores')
               or (import.kind = 'labels' and (%(by_labels)s or (select adjusted_seq from ledger_head) > 0))
               or (import.kind in ('special_hours', 'lifetimes', 'closures', 'calendars')
                   and coalesce(chunk.min_at <= %(to_time)s, true) and coalesce(chunk.max_at >= %(from_time)s, true))
               or (import.kind = 'polls' and chunk.min_at <= %(to_time)s and chunk.max_at >= %(from_time)s))))
order by b.batch_no

-- name: send_again
update report_batch
set state = 'pending', part = null, due_at = clock_timestamp(), due_since = clock_timestamp(), round = round + 1, burnt = 0
where report_id = %(report_id)s and batch_no = any(%(batch_nos)s) and state = 'done'

-- name: replace_part
update report_batch b
set part = %(part)s, size_bytes = %(size_bytes)s, sha256 = %(sha256)s, data_cut = %(read_seq)s,
    failed_stores = %(failed_stores)s, left_out = %(left_out)s, tzdata_version = %(tzdata_version)s,
    outages_part = %(outages_part)s, outages_size_bytes = %(outages_size_bytes)s, outages_sha256 = %(outages_sha256)s,
    outages_rows = %(outages_rows)s, summary_part = %(summary_part)s, summary_size_bytes = %(summary_size_bytes)s,
    summary_sha256 = %(summary_sha256)s, summary_rows = %(summary_rows)s, reasons_attempt = b.attempt, reasons_part = %(reasons_part)s,
    reasons_size_bytes = %(reasons_size_bytes)s, reasons_sha256 = %(reasons_sha256)s, reasons_rows = %(reasons_rows)s,
    facts_only_first = %(facts_only_first)s, facts_only_last = %(facts_only_last)s
from report r
where b.report_id = %(report_id)s and b.batch_no = %(batch_no)s and b.state = 'done'
  and r.id = b.report_id and r.finalise_attempt = %(attempt)s and r.state = 'running'

-- name: reopen_lost
-- Their parts are not in the object store as they were written, so they are computed again, with all their claims. If
-- parts keep getting lost, the finalisation uses up its own claims.
update report_batch b
set state = 'pending', part = null, burnt = 0, due_at = clock_timestamp(), due_since = clock_timestamp()
from report r
where b.report_id = %(report_id)s and %(parts)s && array[b.part, b.outages_part, b.reasons_part, b.summary_part] and b.state = 'done'
  and r.id = b.report_id and r.finalise_attempt = %(attempt)s and r.state = 'running'

-- name: report_fields
select as_of, policy, detail, windows, data_cut, tzdata_accepted, file_kinds, pinned_cut, kind, first_day, last_day, exclude_reasons
from report where id = %(report_id)s

-- name: report_facts
select as_of, policy, policy_version, detail, windows, formats, file_kinds as files, stores, scope, exclude_reasons,
       (select max(data_cut) from report_batch where report_id = report.id) as read_seq,
       (select coalesce(sum(failed_stores), 0)::bigint from report_batch where report_id = report.id) as stores_failed
from report where id = %(report_id)s

-- name: claim_finalise
update report
set finalise_attempt = finalise_attempt + 1, finalise_burnt = finalise_burnt + 1, finaliser = %(worker)s,
    finaliser_presence = %(presence)s, finalise_claim_id = %(claim_id)s,
    finalise_lease_until = clock_timestamp() + %(lease)s
where id = %(report_id)s and state = 'running'
  and finalise_burnt < %(max_attempts)s
  and (finalise_lease_until is null or finalise_lease_until < clock_timestamp())
returning finalise_attempt, finalise_burnt >= %(max_attempts)s as is_last, kind, request_id, traceparent

-- name: renew_finalise
-- Also after it was taken back, as long as no other worker has claimed it.
update report
set finalise_lease_until = clock_timestamp() + %(lease)s, finaliser = %(worker)s, finaliser_presence = %(presence)s
where id = %(report_id)s and finalise_attempt = %(attempt)s and state = 'running'

-- name: release_finalise
-- Like `release_batch`. Without a finaliser, no worker holds it.
update report
set finalise_lease_until = clock_timestamp() + case when %(give_back)s then interval '0' else retry_pause(finalise_burnt) end,
    finalise_burnt = finalise_burnt - case when %(give_back)s and finaliser is not null then 1 else 0 end,
    finaliser = null, finaliser_presence = null, error = %(error)s
where id = %(report_id)s and finalise_attempt = %(attempt)s and state = 'running'

-- name: list_parts
select part, size_bytes, sha256, batch_no, stores - failed_stores - left_out as rows
from report_batch where report_id = %(report_id)s order by batch_no

-- name: list_outages_parts
select outages_part, outages_size_bytes, outages_sha256, batch_no, outages_rows, 'outages' as kind
from report_batch where report_id = %(report_id)s order by batch_no

-- name: list_reasons_parts
select reasons_part, reasons_size_bytes, reasons_sha256, batch_no, reasons_rows, 'reasons' as kind
from report_batch where report_id = %(report_id)s order by batch_no

-- name: list_summary_parts
select summary_part, summary_size_bytes, summary_sha256, batch_no, summary_rows, 'summary' as kind
from report_batch where report_id = %(report_id)s order by batch_no

-- name: without_parts
-- Batches of a report with further files or excluded reasons that a worker of the release before has run.
select batch_no, first_id, last_id, stores, store_keys from report_batch b
where report_id = %(report_id)s and exists (
    select from report where id = b.report_id
        and ((outages_part is null and 'outages' = any(file_kinds)) or (summary_part is null and 'summary' = any(file_kinds))
            or (reasons_part is null and 'reasons' = any(file_kinds))
            or (exclude_reasons <> '{}' and reasons_attempt is distinct from attempt)))
order by batch_no

-- name: other_tzdata
-- Batches whose parts were computed with another time zone database. Workers of the release before did not record theirs.
select batch_no, first_id, last_id, stores, store_keys from report_batch
where report_id = %(report_id)s and tzdata_version <> %(tzdata_version)s
order by batch_no

-- name: finish_report
with finished as (
    update report
    set state = 'succeeded', finished_at = clock_timestamp(), finalise_lease_until = null, error = null,
        read_cut = (select max(data_cut) from report_batch where report_id = %(report_id)s),
        tzdata_version = %(tzdata_version)s
    where id = %(report_id)s and finalise_attempt = %(attempt)s and state = 'running'
    returning id
)
insert into report_file (report_id, kind, format, object, size_bytes, sha256, rows)
select finished.id, file.kind, file.format, file.object, file.size_bytes, file.sha256, file.rows
from finished, unnest(%(kinds)s::text[], %(formats)s::text[], %(objects)s::text[], %(sizes_bytes)s::bigint[], %(sha256s)s::text[],
    %(rows)s::bigint[]) as file (kind, format, object, size_bytes, sha256, rows)

-- name: finish_facts
-- There are no files: the batches have written the facts.
update report
set state = 'succeeded', finished_at = clock_timestamp(), finalise_lease_until = null, error = null,
    read_cut = (select max(data_cut) from report_batch where report_id = %(report_id)s), tzdata_version = %(tzdata_version)s
where id = %(report_id)s and finalise_attempt = %(attempt)s and state = 'running'

-- name: expire_leases
-- The lease of a silent worker has expired, so its batch is due at once. If the worker later shows
-- that it was alive, its claim does not count as failed.
with held as (
    select report_id, batch_no, attempt, claim_id, lease_until from report_batch
    where state = 'leased' and lease_until < clock_timestamp()
    for update skip locked
), missed as (
    insert into missed_claim (report_id, batch_no, attempt, claim_id, lease_until) select * from held
    on conflict do nothing
)
update report_batch b
set state = 'pending', lease_until = null, due_at = clock_timestamp(), due_since = clock_timestamp()
from held
where b.report_id = held.report_id and b.batch_no = held.batch_no

-- name: bury_batches
-- Not while a worker that seems dead may still turn out to be alive. Batches of live state rest instead.
update report_batch b
set state = 'dead', lease_until = null
from report r
where b.state = 'pending' and b.burnt >= %(max_attempts)s and r.id = b.report_id and r.state in ('queued', 'running')
  and r.kind <> 'now'
  and not exists (
      select from missed_claim m
      where m.report_id = b.report_id and m.batch_no = b.batch_no and m.lease_until > clock_timestamp())
returning b.report_id, b.batch_no, b.burnt, b.first_id, b.last_id, b.stores, b.error

-- name: unfinishable_reports
select id, finalise_burnt, error from report
where state = 'running' and finalise_burnt >= %(max_attempts)s
  and (finaliser is null or finalise_lease_until < clock_timestamp())
  and not exists (
      select from missed_claim m
      where m.report_id = report.id and m.batch_no is null and m.lease_until > clock_timestamp())
for update skip locked

-- name: fail_report
update report set state = 'failed', finished_at = clock_timestamp(), error = %(error)s
where id = %(report_id)s and state in ('queued', 'running')

-- name: overdue_keys
-- Prefixes of the keys whose work has waited too long, and whether any worker is busy.
with late as (
    select distinct r.key_line
    from due_batch d join report r on r.id = d.report_id
    where d.due_since < clock_timestamp() - %(max_age)s::interval and r.kind = 'report'
)
select array(select key_line from late
             union
             select prefix from api_key where exists (select from late) and key_line(prefix) in (select key_line from late)),
    exists (select from report_batch where state = 'leased')

-- name: count_pending
select count(*) as pending from report_batch b join report r on r.id = b.report_id
where b.state = 'pending' and r.state in ('queued', 'running') and r.kind <> 'now'

-- name: take_due
-- Batches that no worker claimed in time. Two schedulers share the rows.
update report_batch b
set due_at = clock_timestamp() + %(republish)s
from (
    select d.report_id, d.batch_no
    from report_batch d join report r on r.id = d.report_id
    where d.state = 'pending' and d.due_at <= clock_timestamp() and r.state in ('queued', 'running') and r.kind <> 'now'
    order by d.due_at, d.report_id, d.batch_no
    limit %(limit)s
    for update of d skip locked
) due
where b.report_id = due.report_id and b.batch_no = due.batch_no
returning b.report_id, b.batch_no, b.is_short

-- name: due_finalisations
-- Every batch is done, but no worker holds the finalisation: its worker died.
select r.id
from report r
where r.state = 'running'
  and (r.finalise_lease_until is null or r.finalise_lease_until < clock_timestamp())
  and r.finalise_burnt < %(max_attempts)s
  and not exists (select from report_batch b where b.report_id = r.id and b.state <> 'done')

-- name: take_due_finalisations
-- Those that became due since a message was published for them; with `again` also those whose message is older than
-- `republish`. Two schedulers share the rows.
update report r
set finalise_published_at = clock_timestamp()
from (
    select d.id from report d
    where d.state = 'running'
      and (d.finalise_lease_until is null or d.finalise_lease_until < clock_timestamp())
      and d.finalise_burnt < %(max_attempts)s
      and not exists (select from report_batch b where b.report_id = d.id and b.state <> 'done')
      and (d.finalise_published_at is null or d.finalise_published_at < d.finalise_lease_until
           or (%(again)s and d.finalise_published_at < clock_timestamp() - %(republish)s))
    order by d.id
    limit %(limit)s
    for update of d skip locked
) due
where r.id = due.id
returning r.id

-- name: expire_reports
update report set state = 'expired', expired_at = clock_timestamp()
where id in (
    select id from report
    where state = 'succeeded' and finished_at < clock_timestamp() - %(ttl)s
    order by finished_at limit %(limit)s for update skip locked)
returning id

-- name: wanted_objects
-- For each report, the objects that must stay. Null means all of them (work is under way). A failed report keeps its
-- parts for a retry.
select r.id,
       case
           when r.state in ('queued', 'running') then null
           when r.state = 'succeeded' then (select array_agg(object) from report_file where report_id = r.id)
           when r.state = 'failed' and r.finished_at > clock_timestamp() - %(ttl)s then
               (select coalesce(array_agg(object) filter (where object is not null), '{}')
                from report_batch b, unnest(array[b.part, b.outages_part, b.reasons_part, b.summary_part]) object where b.report_id = r.id)
           else '{}'
       end as wanted
from report r where r.id = any(%(ids)s)

-- name: succeeded_objects
select r.id, f.object, f.size_bytes
from report r left join report_file f on f.report_id = r.id
where r.state = 'succeeded' and r.kind = 'report'
order by r.id, f.kind, f.format

-- name: kept_objects
-- Files of succeeded reports, and parts that a merge still needs. A failed report keeps its parts for a retry.
select r.id as report_id, r.as_of, f.kind, f.format, null as batch_no, coalesce(f.object, '') as key,
    coalesce(f.size_bytes, 0) as size_bytes, coalesce(f.sha256, '') as sha256
from report r left join report_file f on f.report_id = r.id
where r.state = 'succeeded' and r.kind = 'report'
union all
select r.id, r.as_of, part.kind, null, b.batch_no, part.key, part.size_bytes, part.sha256
from report r join report_batch b on b.report_id = r.id, lateral (values
    ('report', b.part, b.size_bytes, b.sha256),
    ('outages', b.outages_part, b.outages_size_bytes, b.outages_sha256),
    ('reasons', b.reasons_part, b.reasons_size_bytes, b.reasons_sha256),
    ('summary', b.summary_part, b.summary_size_bytes, b.summary_sha256)) part (kind, key, size_bytes, sha256)
where part.key is not null and b.state = 'done'
  and (r.state in ('queued', 'running') or (r.state = 'failed' and r.finished_at > clock_timestamp() - %(ttl)s))
order by report_id, batch_no, kind, format
