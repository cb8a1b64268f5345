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
