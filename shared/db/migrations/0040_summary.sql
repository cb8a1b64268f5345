-- A report may have a file of sums over its stores. The parts of it lie next to the other parts of the report.
alter table report_batch
    add column summary_part text, -- null: the report has no such file, or a worker of the release before ran the batch
    add column summary_size_bytes bigint,
    add column summary_sha256 text,
    add column summary_rows bigint;

alter table report_file
    drop constraint report_file_kind_check,
    add constraint report_file_kind_check check (kind in ('report', 'outages', 'summary', 'service_levels'));
