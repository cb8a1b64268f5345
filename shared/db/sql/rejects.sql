-- Rejected rows: the first of an import are listed, the others are counted by reason in its quality report.

-- name: rooms
-- How many more each import may list, in the order given. The files of an archive share the room in equal parts. Once a row
-- was left out, no later one is listed, even if the listed ones have been forgotten.
select case when quality ? 'rejects_unlisted' then 0
    else greatest(0, %(most)s / files.number - (select count(*) from import_reject where import_id = import.id)) end
from unnest(%(ids)s::uuid[]) with ordinality given (id, place) join import using (id),
    lateral (select greatest(1, count(*)) as number from import file where file.parent_id = import.parent_id) files
order by place

-- name: count_unlisted
update import
set quality = coalesce(quality, '{}') || jsonb_build_object('rejects_unlisted', (
    select jsonb_object_agg(reason, number)
    from (
        select key as reason, sum(value::bigint) as number
        from (
            select * from jsonb_each_text(coalesce(quality -> 'rejects_unlisted', '{}'))
            union all
            select * from jsonb_each_text(%(reasons)s)
        ) counted
        group by key
    ) added
))
where id = %(id)s

-- name: counts
-- By reason: all rejected rows, and those of them that are not listed. The report of an archive repeats those of its files.
select reason, sum(number)::bigint, sum(unlisted)::bigint
from (
    select reason, count(*) as number, 0 as unlisted
    from import_reject where import_id = any(%(ids)s) group by reason
    union all
    select key, value::bigint, value::bigint
    from import, jsonb_each_text(quality -> 'rejects_unlisted')
    where id = any(%(ids)s) and kind is distinct from 'archive'
) counted
group by reason order by 2 desc, reason

-- name: passing
-- Those for one of the reasons. A null text stands for rows that are not listed.
select reason, raw
from (
    select key as reason, null::bytea as raw from import, jsonb_object_keys(quality -> 'rejects_unlisted') key
    where id = %(id)s and key = any(%(reasons)s)
    union all
    (select reason, raw from import_reject where import_id = %(id)s and reason = any(%(reasons)s) limit %(limit)s)
) found
