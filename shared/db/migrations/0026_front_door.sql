-- The event of a report has the number of stores that have no row in its files, and the kind of each file.
create or replace function report_event(p_report uuid) returns text language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
declare
    r record;
begin
    select * into strict r from report where id = p_report;
    return json_build_object(
        'type', 'report.' || r.state,
        'timestamp', to_char(r.finished_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'data', json_build_object(
            'id', r.id, 'state', r.state, 'policy', r.policy, 'policy_version', r.policy_version,
            'as_of', to_char(r.as_of at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'data_cut', coalesce(r.read_cut, r.data_cut),
            'stores_failed', (select coalesce(sum(b.failed_stores), 0) from report_batch b where b.report_id = r.id),
            'files', coalesce((select json_agg(json_build_object(
                                   'kind', f.kind, 'format', f.format, 'size_bytes', f.size_bytes, 'sha256', f.sha256,
                                   'rows', f.rows)
                                   order by array_position(r.file_kinds, f.kind), f.format)
                               from report_file f where f.report_id = r.id), '[]'),
            'error', case when r.state = 'failed' then r.error end))::text;
end $$;

-- Uploads of special hours reject the rows of dates that are given both as closed and as open.
grant update (reason) on import_staged to uptill_ingest;
