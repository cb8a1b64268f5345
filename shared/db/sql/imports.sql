-- Imports as resources of the ingest service, and the queue of uploads.

-- name: queue_import
insert into import (id, source, sha256, size_bytes, state, created_by)
values (%(id)s, %(source)s, %(sha256)s, %(size_bytes)s, 'queued', %(created_by)s)

-- name: import_state
-- An import that failed by a fault of its process goes on.
select case when error ->> 'reason' = 'fault' then 'queued' else state end from import where id = %(id)s

-- name: requeue_import
-- What the service's end interrupted waits for its next start.
update import set state = 'queued', error = null, finished_at = null
where id = %(id)s and (state = 'running' or error ->> 'reason' = 'fault')

-- name: fail_import
update import set state = 'failed', error = %(error)s, finished_at = clock_timestamp()
where id = %(id)s and (state in ('queued', 'running') or error ->> 'reason' = 'fault')

-- name: get_imports
-- Ids grow with the time of their making.
select import.id, import.parent_id, import.state, import.kind, import.source, encode(import.sha256, 'hex') as sha256,
    import.size_bytes, import.same_as, import.quality, import.error, import.started_at, import.finished_at,
    coalesce(chunks.bytes_done, 0) as bytes_done,
    import.rows_read + coalesce(members.rows_read, 0) as rows_read,
    import.accepted + coalesce(members.accepted, 0) as accepted,
    import.duplicate + coalesce(members.duplicate, 0) as duplicate,
    import.corrected + coalesce(members.corrected, 0) as corrected,
    import.rejected + coalesce(members.rejected, 0) as rejected
from import
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
select reject.import_id, reject.line, reject.byte_offset, reject.reason, reject.raw, import.source
from import_reject reject join import on import.id = reject.import_id
where (import.id = %(id)s or import.parent_id = %(id)s)
    and (reject.import_id, reject.line) > (%(after_id)s::uuid, %(after_line)s)
order by reject.import_id, reject.line
limit %(limit)s
