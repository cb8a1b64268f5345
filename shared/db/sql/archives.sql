-- Archives: imports whose members are imports, which hold the counts.

-- name: interrupted_archives
-- Of the command: an upload goes on by its id.
select id from import
where origin = 'command' and source = %(source)s and sha256 = %(sha256)s and kind = 'archive'
    and reading is not distinct from %(reading)s::jsonb and (state = 'running' or error ->> 'reason' = 'fault')
order by started_at desc limit 5

-- name: insert_archive
insert into import (id, origin, kind, source, sha256, size_bytes, reading)
values (%(id)s, 'command', 'archive', %(source)s, %(sha256)s, %(size_bytes)s, %(reading)s)

-- name: begin_archive
update import set kind = 'archive', state = 'running', error = null, finished_at = null,
    quality = nullif(coalesce(quality, '{}') || %(notes)s, '{}')
where id = %(id)s and state <> 'canceled'

-- name: open_members
select id from import
where parent_id = %(id)s and (state in ('queued', 'running') or error ->> 'reason' = 'fault')

-- name: members
select id, source from import where parent_id = %(id)s order by started_at, id

-- name: insert_member
-- Ended from the start when its archive was canceled meanwhile.
insert into import (id, parent_id, origin, source, size_bytes, reading, state, finished_at)
select %(id)s, id, origin, %(source)s, %(size_bytes)s, reading, case state when 'canceled' then state else 'queued' end,
    case state when 'canceled' then clock_timestamp() end
from import where id = %(parent_id)s

-- name: finish_archive
-- As bad as its worst member. One that brought nothing, as all its members were the same bytes again, names the first.
with members as (
    select state, same_as, coalesce(error ->> 'reason' = 'fault', false) or state in ('queued', 'running') as interrupted
    from import where parent_id = %(id)s
), worst as (
    select coalesce(bool_or(interrupted), false) as interrupted,
        case when bool_or(interrupted or state in ('failed', 'canceled')) then 'failed'
            when bool_or(state = 'stopped') then 'stopped'
            else 'succeeded' end as state,
        coalesce(bool_and(same_as is not null), false) as brought_nothing
    from members
)
update import
set finished_at = clock_timestamp(), state = worst.state, quality = coalesce(import.quality, '{}') || %(quality)s,
    error = case when worst.interrupted then
        '{"reason": "fault", "message": "it was interrupted; load it again, and it goes on"}'::jsonb end,
    same_as = (select earlier.id from import earlier
        where worst.brought_nothing and earlier.kind = 'archive' and earlier.sha256 = import.sha256
            and earlier.state = 'succeeded' and earlier.same_as is null and earlier.id <> import.id
        order by earlier.started_at, earlier.id limit 1)
from worst where id = %(id)s and import.state <> 'canceled'
