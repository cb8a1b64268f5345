-- API keys.

-- name: insert_key
insert into api_key (prefix, hash, name, scopes, expires_at)
values (%(prefix)s, %(hash)s, %(name)s, %(scopes)s, %(expires_at)s)

-- name: revoke_key
update api_key set revoked_at = clock_timestamp() where prefix = %(prefix)s and revoked_at is null

-- name: list_keys
select prefix, name, scopes, created_at, expires_at, revoked_at, last_used_at from api_key order by created_at desc

-- name: live_key
select prefix, name, scopes, created_at, expires_at, revoked_at, last_used_at, hash
from api_key
where prefix = %(prefix)s and revoked_at is null and (expires_at is null or expires_at > clock_timestamp())

-- name: touch_key
-- Once a minute: many calls with one key must not queue for its row and for a commit each.
update api_key set last_used_at = clock_timestamp()
where prefix = %(prefix)s and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
