-- A report may have a further file, with one row per outage. Its parts lie next to the parts of the report.
alter table report add column file_kinds text[] not null default '{report}'; -- as asked for, in the order of the answer

alter table report_batch
    add column outages_part text, -- null: the report has no such file, or a worker of the release before ran the batch
    add column outages_size_bytes bigint,
    add column outages_sha256 text,
    add column outages_rows bigint;

alter table report_file
    add column kind text not null default 'report' check (kind in ('report', 'outages')),
    drop constraint report_file_pkey,
    add primary key (report_id, kind, format);

-- As before, with the kind of each file.
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
            'files', coalesce((select json_agg(json_build_object(
                                   'kind', f.kind, 'format', f.format, 'size_bytes', f.size_bytes, 'sha256', f.sha256,
                                   'rows', f.rows)
                                   order by array_position(r.file_kinds, f.kind), f.format)
                               from report_file f where f.report_id = r.id), '[]'),
            'error', case when r.state = 'failed' then r.error end))::text;
end $$;
