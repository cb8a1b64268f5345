-- What the staged files of one delivery say about the same fact: import, store, field, what is compared, and what is shown. Of
-- several rows for a field, the last one counts.

-- name: time_zones
-- Of directories. Files of zones are read as chunks.
select distinct on (import_id, store_id) import_id, store_id, '', timezone, timezone from import_staged
where import_id = any(%(ids)s) and reason is null and timezone is not null and packed is null
order by import_id, store_id, position desc

-- name: lifetimes
-- A directory sets the ends that it has columns for. A value in any row of a store counts before the empty cells of others.
select distinct on (import_id, store_id, field) import_id, store_id, field, coalesce(at::text, ''),
    field || coalesce(to_char(at at time zone 'UTC', ' YYYY-MM-DD HH24:MI "UTC"'), ' never')
from import_staged, lateral (values ('opened', 'opened_at', begins), ('closed', 'closed_at', ends)) cell (field, name, at)
where import_id = any(%(ids)s) and reason is null and (details is null or details -> 'sets' ? name)
order by import_id, store_id, field, (details is not null and at is null), position desc

-- name: closures
select distinct on (import_id, store_id, begins) import_id, store_id, begins::text, concat_ws(' ', ends, details),
    format('%%s until %%s', details ->> 'treatment', coalesce(to_char(ends at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), 'further notice'))
from import_staged
where import_id = any(%(ids)s) and reason is null
order by import_id, store_id, begins, position desc
