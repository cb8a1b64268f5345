-- What cannot be done costs itself: a store that cannot be computed, and a schedule that cannot be run.

-- The stores that a report was made without, and why. They have no row in its files.
create table report_failed_store (
    report_id uuid not null,
    batch_no integer not null,
    store_id text collate "C" not null,
    reason text not null, -- unknown_timezone, invalid_hours or not_computed
    detail text not null,
    primary key (report_id, batch_no, store_id),
    foreign key (report_id, batch_no) references report_batch on delete cascade
);
alter table report_batch
    add column failed_stores integer not null default 0, -- of `stores`; its part has a row for each of the others
    add column tzdata_version text;                      -- of the worker that computed the part
alter table report add column tzdata_accepted text;      -- of the process that accepted the report

-- A view of its own: `report_shown` may get columns in other migrations.
create view report_failures as
select id as report_id, tzdata_accepted,
       (select coalesce(sum(b.failed_stores), 0)::bigint from report_batch b where b.report_id = report.id) as stores_failed,
       (select coalesce(jsonb_agg(to_jsonb(f) - 'batch_no'), '[]')
        from (select batch_no, store_id, reason, detail from report_failed_store
              where report_failed_store.report_id = report.id order by batch_no, store_id limit 100) f) as failed_stores
from report;

-- The failed stores in the newest report of the last day for each choice of stores.
create view newest_failed_store as
select newest.id as report_id, store_id, reason, detail
from (select distinct on (stores, scope) id from report
      where state = 'succeeded' and finished_at > clock_timestamp() - interval '24 hours'
      order by stores, scope, finished_at desc) newest
join report_failed_store f on f.report_id = newest.id;

-- A schedule that this release cannot read is failed until someone corrects and resumes it. `error` says why.
alter table report_schedule drop constraint report_schedule_state_check;
alter table report_schedule add constraint report_schedule_state_check check (state in ('active', 'paused', 'failed'));
alter table report_schedule add column error text;

grant select, insert, delete on report_failed_store to uptill_worker;
grant select on report_failed_store, report_failures to uptill_api, uptill_readonly;
grant select on newest_failed_store to uptill_worker, uptill_readonly;
