-- A report may have a file for paper.
alter table report_file drop constraint report_file_format_check;
alter table report_file add constraint report_file_format_check check (format in ('csv', 'json', 'parquet', 'xlsx', 'pdf'));
