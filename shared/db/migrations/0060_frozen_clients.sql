-- Postgres ends no session whose client stands still while the server waits for it in the middle of a statement: no time limit
-- applies to a COPY that waits for rows, or to a result that is not taken. The locks of such a session would stay. So the
-- scheduler ends it. It may see and end the sessions of the other services only through these functions.

-- Sessions of Uptill in which the server waits for the client in the middle of a statement, and how many bytes were copied.
create function client_waits() returns table (
    pid integer, backend_start timestamptz, query_start timestamptz, wait_event text, application_name text, copied_bytes bigint
)
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    select activity.pid, activity.backend_start, activity.query_start, activity.wait_event, activity.application_name,
        coalesce(progress.bytes_processed, 0)
    from pg_stat_activity activity left join pg_stat_progress_copy progress using (pid)
    where activity.datname = current_database() and activity.application_name ^@ 'uptill' and activity.state = 'active'
        and activity.wait_event in ('ClientRead', 'ClientWrite') and pg_has_role(activity.usesysid, 'usage')
$$;

-- End a session, if it still waits for the client in the statement that began at `p_query_start`. Return whether it was ended.
create function end_client_wait(p_pid integer, p_query_start timestamptz) returns boolean
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce(bool_or(pg_terminate_backend(waits.pid)), false)
    from public.client_waits() waits where waits.pid = p_pid and waits.query_start = p_query_start
$$;

revoke execute on function client_waits(), end_client_wait(integer, timestamptz) from public;
grant execute on function client_waits(), end_client_wait(integer, timestamptz) to uptill_worker;
