-- API keys. All times are by this database's clock. No key is shown with an expiry after 2100, whatever an earlier release
-- stored, because Python's years end with 9999.

-- name: insert_key
insert into api_key (prefix, hash, name, scopes, store_labels, expires_at)
select %(prefix)s, %(hash)s, %(name)s, %(scopes)s, %(store_labels)s, %(expires_at)s
where coalesce(%(expires_at)s > clock_timestamp(), true)

-- name: lock_live_key
-- The key of a person who signs in has no secret to replace.
select from api_key
where prefix = %(prefix)s and person is null and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())
for update

-- name: has_successor
select exists (select from api_key where replaces = %(prefix)s)

-- name: insert_successor
-- Has the same rights and the same lifetime as the key that it replaces.
insert into api_key (prefix, hash, name, scopes, store_labels, expires_at, replaces)
select %(new_prefix)s, %(hash)s, name, scopes, store_labels, 
       case when expires_at is not null then least(clock_timestamp() + (expires_at - created_at), timestamptz '2100-12-31 23:59:59+00') end, prefix
from api_key where prefix = %(prefix)s

-- name: end_after
update api_key set expires_at = least(expires_at, clock_timestamp() + %(overlap)s, timestamptz '2100-12-31 23:59:59+00') where prefix = %(prefix)s

-- name: revoke_predecessor
update api_key set revoked_at = clock_timestamp()
where prefix = (select replaces from api_key where prefix = %(prefix)s) and revoked_at is null

-- name: revoke_key
update api_key set revoked_at = clock_timestamp() where prefix = %(prefix)s and revoked_at is null

-- name: list_keys
select prefix, name, scopes, store_labels, created_at,
       case when expires_at is not null then least(expires_at, timestamptz '2100-12-31 23:59:59+00') end as expires_at, revoked_at, last_used_at
from api_key order by created_at desc, prefix

-- name: live_key
select prefix, name, scopes, store_labels, created_at,
       case when expires_at is not null then least(expires_at, timestamptz '2100-12-31 23:59:59+00') end as expires_at, revoked_at, last_used_at, hash,
       last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute' as use_is_due
from api_key
where prefix = %(prefix)s and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())

-- name: note_use
-- The minute of the last use on the key, and the first use of each UTC day in the audit.
with before as (
    select last_used_at from api_key where prefix = %(prefix)s for update
), touched as (
    update api_key set last_used_at = clock_timestamp() where prefix = %(prefix)s
)
insert into audit (actor, action, subject)
select %(prefix)s, 'key.used', %(prefix)s from before
where last_used_at is null
   or (last_used_at at time zone 'UTC')::date < (clock_timestamp() at time zone 'UTC')::date
