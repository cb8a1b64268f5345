-- Finished days as Parquet in the bucket, one object per policy and month. Jobs of kind `facts_export` write them.
alter table report
    add column force boolean not null default false, -- of a job of kind facts_export: write unchanged months too
    drop constraint report_kind_check,
    add constraint report_kind_check check (kind in ('report', 'facts', 'facts_export')),
    drop constraint report_days,
    add constraint report_days check ((kind in ('facts', 'facts_export')) = coalesce(first_day <= last_day, false));

-- Which months have facts, and which of them are in the bucket as they are now.
create table facts_month (
    policy text collate "C" not null,
    month date not null check (month = date_trunc('month', month)), -- its first day
    version bigint not null default 1, -- grows with each transaction that changed a day of the month
    written_version bigint,            -- of the object; null: there is none, or it may be another one
    object text,
    size_bytes bigint,
    sha256 text,
    rows bigint,
    written_at timestamptz,
    primary key (policy, month)
) with (fillfactor = 50);

insert into facts_month (policy, month) select distinct policy, date_trunc('month', local_date)::date from store_day;

grant select on facts_month to uptill_api, uptill_readonly;
grant select, insert, update on facts_month to uptill_worker;
