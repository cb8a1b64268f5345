-- Hooks: calls of other systems that become polls. See migration 0055.

-- name: hooks_in_force
-- Those that calls may use, with their secrets. `previous_secret` is null once it is too old.
select hook.name, version, document, secret,
    case when previous_until > clock_timestamp() then previous_secret end as previous_secret
from hook join hook_version using (name, version)

-- name: list_hooks
-- Without secrets.
select hook.name, version, document, secret is not null as has_secret,
    case when previous_until > clock_timestamp() then previous_until end as previous_secret_until,
    hook.changed_by, hook.changed_at, calls, last_call_at, rejected, rejects_of as rejects_import,
    ignored_calls, last_ignored_at
from hook join hook_version using (name, version)
where %(name)s::text is null or hook.name = %(name)s
order by hook.name

-- name: lock_hooks
-- Two changes of hooks do not overlap.
select pg_advisory_xact_lock(hashtextextended('uptill.hooks', 0))

-- name: count_hooks
select count(*) from hook

-- name: insert_hook
insert into hook (name, version, secret, changed_by) values (%(name)s, 1, %(secret)s, %(by)s)

-- name: replace_hook
update hook set version = %(version)s, changed_by = %(by)s, changed_at = clock_timestamp() where name = %(name)s

-- name: insert_hook_version
insert into hook_version (name, version, document, changed_by) values (%(name)s, %(version)s, %(document)s, %(by)s)

-- name: replace_hook_secret
-- The old one stays valid for a while.
update hook
set secret = %(secret)s,
    previous_secret = case when %(overlap)s > interval '0' then secret end,
    previous_until = case when %(overlap)s > interval '0' and secret is not null then clock_timestamp() + %(overlap)s end
where name = %(name)s

-- name: hook_with_secret
select name from hook where name = %(name)s and secret = %(secret)s

-- name: drop_hook_secrets
update hook set secret = null, previous_secret = null, previous_until = null where name = %(name)s

-- name: delete_hook
delete from hook where name = %(name)s

-- name: hook_versions
select version, document, changed_by, changed_at from hook_version where name = %(name)s order by version desc
limit %(limit)s

-- name: known_stores
select store_id, store_key from store where store_id = any (%(ids)s::text[])

-- name: remember_messages
-- Returns those that were not received before, or so long ago that they are forgotten.
insert into hook_message (id, forget_at)
select given.id, clock_timestamp() + given.keep_s * interval '1 second'
from unnest(%(ids)s::uuid[], %(keep_s)s::integer[]) given (id, keep_s)
on conflict (id) do update set forget_at = excluded.forget_at where hook_message.forget_at < clock_timestamp()
returning id

-- name: forget_messages
delete from hook_message
where id in (select id from hook_message where forget_at < clock_timestamp() order by forget_at limit %(most)s)

-- name: rejected_so_far
select rejected from import where id = %(import_id)s

-- name: count_kept
-- Counts further rejected items of hooks in an import, at most `most` of each hook. Returns how many of them to keep.
with known as (
    select hook.name, given.number, case when rejects_of = %(import_id)s then rejects_kept else 0 end as kept
    from hook join unnest(%(hooks)s::text[], %(numbers)s::integer[]) given (name, number) using (name)
    for update of hook
), counted as (
    update hook set rejects_of = %(import_id)s, rejects_kept = least(%(most)s, kept + number)
    from known where hook.name = known.name
)
select name, greatest(0, least(number, %(most)s - kept)) from known

-- name: count_calls
-- Those that were stored, and those in which no item was wanted.
update hook
set calls = hook.calls + given.calls, rejected = hook.rejected + given.rejected,
    last_call_at = case when given.calls > 0 then clock_timestamp() else last_call_at end,
    ignored_calls = hook.ignored_calls + given.ignored,
    last_ignored_at = case when given.ignored > 0 then clock_timestamp() else last_ignored_at end
from unnest(%(hooks)s::text[], %(calls)s::integer[], %(rejected)s::integer[], %(ignored)s::integer[])
    given (name, calls, rejected, ignored)
where hook.name = given.name

-- name: insert_hook_rejects
insert into import_reject (import_id, line, byte_offset, reason, raw, source)
select %(import_id)s, %(rejected)s + place, 0, reason, raw, source
from unnest(%(reasons)s::text[], %(raws)s::bytea[], %(sources)s::text[])
    with ordinality given (reason, raw, source, place)
