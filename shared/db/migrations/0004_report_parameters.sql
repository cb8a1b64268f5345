-- What a report was asked for beside its policy, which stores are in it, and its files, of which there may be several.
alter table report
    add column windows text[] not null default '{last_hour,last_day,last_week}', -- in the order of the columns
    add column formats text[] not null default '{csv}',
    add column stores jsonb, -- {"ids": […], "labels": {…}} as asked for; null: every store
    add column scope jsonb;  -- labels that the caller's key is limited to; null: it may see every store

-- The stores of a batch of a report that does not hold all of them, chosen when it was accepted.
alter table report_batch add column store_keys integer[];

create table report_file (
    report_id uuid not null references report on delete cascade,
    format text not null check (format in ('csv', 'json', 'parquet', 'xlsx')),
    object text not null,
    size_bytes bigint not null,
    sha256 text not null,
    rows bigint not null,
    primary key (report_id, format)
);
insert into report_file (report_id, format, object, size_bytes, sha256, rows)
select id, 'csv', object, size_bytes, sha256, rows from report where object is not null;
alter table report drop column object, drop column size_bytes, drop column sha256, drop column rows;

-- Labels of stores are changed like hours and zones: as an import, under a ledger number.
alter table import drop constraint import_kind_check;
alter table import add constraint import_kind_check
    check (kind in ('polls', 'hours', 'timezones', 'labels', 'archive'));
create index on store using gin (labels jsonb_path_ops);

grant select on report_file to uptill_api, uptill_readonly;
grant select, insert on report_file to uptill_worker;

-- A report as callers see it: its progress counted from the batches, its files.
create view report_shown as
select id, state, as_of, policy, policy_version, detail, windows, formats,
       jsonb_array_length(stores -> 'ids') as ids_given, stores -> 'labels' as labels, scope,
       coalesce(read_cut, data_cut) as data_cut, tzdata_version, created_at, started_at, finished_at, error,
       (select coalesce(sum(b.stores), 0)::bigint from report_batch b where b.report_id = report.id) as stores_total,
       (select coalesce(sum(b.stores), 0)::bigint from report_batch b where b.report_id = report.id and b.state = 'done')
           as stores_done,
       (select coalesce(jsonb_agg(to_jsonb(f) - 'report_id' order by array_position(formats, f.format)), '[]')
        from report_file f where f.report_id = report.id) as files
from report;
grant select on report_shown to uptill_api, uptill_readonly;
