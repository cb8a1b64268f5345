-- Imports as resources of the ingest service, and the queue of uploads.

-- name: queue_import
insert into import (id, origin, source, sha256, size_bytes, state, created_by, spool_id, reading)
values (%(id)s, 'upload', %(source)s, %(sha256)s, %(size_bytes)s, 'queued', %(created_by)s, %(spool_id)s, %(reading)s)

-- name: scopes_of_sender
-- Those of the key that sent the upload, or the archive that the import is a member of.
select coalesce((select scopes from api_key where prefix = coalesce(import.created_by, archive.created_by)), '{}')
from import left join import archive on archive.id = import.parent_id
where import.id = %(id)s

-- name: import_state
-- An import that failed by a fault of its process goes on, and so does one whose spool has come back. Then whether any
-- part of it used up its attempts.
select case when error ->> 'reason' in ('fault', 'upload_lost') then 'queued' else state end,
    exists (select from import part
        where (part.id = import.id or part.parent_id = import.id) and part.error ->> 'reason' = 'attempts')
from import where id = %(id)s

-- name: staged_members
-- The files of an upload that wait to take effect, in load order.
select id, kind, source from import
where id = any(%(ids)s) and kind <> 'polls' and state = 'running' order by array_position(%(ids)s, id)

-- name: refused_members
select source from import
where id = any(%(ids)s) and state in ('failed', 'canceled')
    and coalesce(error ->> 'reason', '') not in ('fault', 'upload_lost', 'delivery_incomplete')
order by started_at, id

-- name: lines_of_uploads
select id, key_line(created_by) from import where id = any(%(ids)s)

-- name: begin_attempt
-- Counted before it begins, so that one that kills the process counts too.
update import set attempts = attempts + %(more)s
where id = %(id)s and (state in ('queued', 'running') or error ->> 'reason' in ('fault', 'upload_lost'))
returning attempts

-- name: give_back_attempt
update import set attempts = greatest(attempts - 1, 0) where id = %(id)s

-- name: forget_attempts
update import set attempts = 0 where id = %(id)s and attempts > 0

-- name: requeue_import
-- What the service's end interrupted waits for its next start.
update import set state = 'queued', error = null, finished_at = null
where id = %(id)s and (state = 'running' or error ->> 'reason' = 'fault')

-- name: fail_import
-- With its members that have not ended.
with dropped as (
    delete from import_staged where import_id = %(id)s or import_id in (select id from import where parent_id = %(id)s)
)
update import set state = 'failed', error = %(error)s, finished_at = clock_timestamp()
where (id = %(id)s or parent_id = %(id)s)
    and (state in ('queued', 'running') or error ->> 'reason' in ('fault', 'upload_lost'))

-- name: import_to_cancel
select origin, state in ('queued', 'running') or coalesce(error ->> 'reason' = 'fault', false) as is_open, state
from import where id = %(id)s for update

-- name: cancel_import
-- With its members that have not ended. From here on none of them commits a chunk (`commit_change`).
with dropped as (
    delete from import_staged where import_id = %(id)s or import_id in (select id from import where parent_id = %(id)s)
)
update import set state = 'canceled', finished_at = clock_timestamp(),
    error = '{"reason": "canceled", "message": "it was canceled; what was committed before stays"}'
where (id = %(id)s or parent_id = %(id)s) and (state in ('queued', 'running') or error ->> 'reason' = 'fault')

-- name: see_spool
insert into spool (id, place) values (%(id)s, %(place)s)
on conflict (id) do update set place = excluded.place, seen_at = clock_timestamp()

-- name: adopt_uploads
-- Those of a release that did not say where they lie, and those that came with a folder that was moved.
update import set spool_id = %(spool_id)s
where id = any(%(ids)s) and origin = 'upload' and spool_id is distinct from %(spool_id)s

-- name: open_uploads
select id from import
where spool_id = %(spool_id)s and origin = 'upload' and parent_id is null
    and (state in ('queued', 'running') or (state = 'failed' and error ->> 'reason' = 'fault'))

-- name: orphaned_uploads
-- Of spools that were here before, or that no service has had for long.
select import.id from import join spool on spool.id = spool_id
where spool.id <> %(spool_id)s and (place = %(place)s or seen_at < clock_timestamp() - %(silence)s)
    and origin = 'upload' and parent_id is null
    and (state in ('queued', 'running') or (state = 'failed' and error ->> 'reason' = 'fault'))

-- name: oldest_wait_s
-- As the metric `oldest_queued_import_age_seconds`.
select coalesce(max(waited_s), 0)::float8 from upload_wait

-- name: get_imports
-- Ids grow with the time of their making. An upload whose process or database failed goes on by itself: it is queued.
select import.id, import.parent_id, case when goes_on then 'queued' else import.state end as state, import.kind,
    import.origin, import.source, encode(import.sha256, 'hex') as sha256,
    import.size_bytes, import.same_as, import.reading, import.quality, case when not goes_on then import.error end as error, import.started_at,
    case when not goes_on then import.finished_at end as finished_at,
    coalesce(chunks.bytes_done, 0) as bytes_done,
    import.rows_read + coalesce(members.rows_read, 0) as rows_read,
    import.accepted + coalesce(members.accepted, 0) as accepted,
    import.duplicate + coalesce(members.duplicate, 0) as duplicate,
    import.corrected + coalesce(members.corrected, 0) as corrected,
    import.rejected + coalesce(members.rejected, 0) as rejected
from import
cross join lateral (
    select import.origin = 'upload' and coalesce(import.error ->> 'reason' = 'fault', false) as goes_on
) interrupted
left join lateral (
    select end_byte as bytes_done from import_chunk where import_id = import.id order by chunk_no desc limit 1
) chunks on true
left join lateral (
    select sum(rows_read)::bigint as rows_read, sum(accepted)::bigint as accepted,
        sum(duplicate)::bigint as duplicate, sum(corrected)::bigint as corrected, sum(rejected)::bigint as rejected
    from import member where member.parent_id = import.id
) members on import.kind = 'archive'
where case
    when %(id)s::uuid is not null then import.id = %(id)s
    when %(parent_id)s::uuid is not null then import.parent_id = %(parent_id)s
    else import.parent_id is null and (%(before_id)s::uuid is null or import.id < %(before_id)s) end
order by import.id desc
limit %(limit)s

-- name: rejects_page
select reject.import_id, reject.line, reject.byte_offset, reject.reason, reject.raw, coalesce(reject.source, import.source) as source
from import_reject reject join import on import.id = reject.import_id
where (import.id = %(id)s or import.parent_id = %(id)s)
    and (reject.import_id, reject.line) > (%(after_id)s::uuid, %(after_line)s)
order by reject.import_id, reject.line
limit %(limit)s
