-- Keys of people who sign in to the page by OpenID Connect. All times are by this database's clock.

-- name: lock_person
select pg_advisory_xact_lock(hashtextextended('person ' || encode(%(person)s, 'hex'), 0))

-- name: newest_key
-- The person's last key, and whether one was revoked, which keeps the person out.
select prefix, scopes, store_labels, bool_or(revoked_at is not null) over () as is_revoked
from api_key where person = %(person)s
order by created_at desc, prefix
limit 1

-- name: extend_key
update api_key set expires_at = greatest(expires_at, clock_timestamp() + %(longest)s) where prefix = %(prefix)s

-- name: end_key
-- Its sessions end with it.
update api_key set expires_at = clock_timestamp() where prefix = %(prefix)s and expires_at > clock_timestamp()

-- name: insert_key
insert into api_key (prefix, hash, name, scopes, store_labels, expires_at, person, replaces)
values (%(prefix)s, %(hash)s, %(name)s, %(scopes)s, %(store_labels)s, clock_timestamp() + %(longest)s, %(person)s, %(replaces)s)
