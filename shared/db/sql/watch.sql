-- What watchers have loaded, so that none loads it again after a restart.

-- name: watched
select name, version from watched_source where name = any(%(names)s::text[])

-- name: record_watched
insert into watched_source (name, version) values (%(name)s, %(version)s)
on conflict (name) do update set version = excluded.version, loaded_at = clock_timestamp()
