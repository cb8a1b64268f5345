-- A report may leave out the time that polls with some reasons speak for, and have a file of its downtime by reason.
alter table report add column exclude_reasons text[] not null default '{}'; -- words, sorted

alter table report_batch
    -- The attempt whose worker knew of excluded reasons. If it is not the batch's own, a worker of the release before computed
    -- the part.
    add column reasons_attempt integer,
    add column reasons_part text, -- null: the report has no such file, or a worker of the release before ran the batch
    add column reasons_size_bytes bigint,
    add column reasons_sha256 text,
    add column reasons_rows bigint;

alter table report_file
    drop constraint report_file_kind_check,
    add constraint report_file_kind_check check (kind in ('report', 'outages', 'reasons', 'summary', 'service_levels'));

create or replace view reporting.reports as
select id, state, policy, policy_version, windows, formats, detail, as_of,
    (select coalesce(sum(stores), 0)::bigint from report_batch where report_id = report.id) as stores,
    (select coalesce(sum(failed_stores), 0)::bigint from report_batch where report_id = report.id) as stores_failed,
    revision, revision_of, created_at, started_at, finished_at, exclude_reasons
from report
where kind = 'report';
comment on column reporting.reports.exclude_reasons is 'reasons whose time was left out of the open time';
