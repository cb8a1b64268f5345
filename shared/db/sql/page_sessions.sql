-- Sessions of the page. All times are by this database's clock.

-- name: insert_session
insert into page_session (hash, key_prefix) values (%(hash)s, %(key_prefix)s)

-- name: delete_ended
delete from page_session
where created_at <= clock_timestamp() - %(longest)s::interval or last_used_at <= clock_timestamp() - %(idle)s::interval

-- name: delete_oldest
delete from page_session
where hash in (
    select hash from page_session where key_prefix = %(key_prefix)s order by created_at desc, hash offset %(most)s)

-- name: find_session
select key_prefix, last_used_at < clock_timestamp() - interval '1 minute' as use_is_due from page_session
where hash = %(hash)s
    and created_at > clock_timestamp() - %(longest)s::interval and last_used_at > clock_timestamp() - %(idle)s::interval

-- name: note_use
update page_session set last_used_at = clock_timestamp() where hash = %(hash)s

-- name: delete_session
delete from page_session where hash = %(hash)s

-- name: delete_sessions_of_key
delete from page_session where key_prefix = %(key_prefix)s
