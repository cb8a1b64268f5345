-- Views for tools that read by SQL. docs/reference/reporting.md lists their columns. A later migration may add views, and
-- columns at the end of a view, and changes nothing else. The views have the rights of their owner.
create schema reporting;
comment on schema reporting is 'Version 1. Views for business intelligence. Columns are only added.';

create view reporting.stores as
select store_id, timezone, labels, first_polled_at from store;
comment on view reporting.stores is 'One row per store.';
comment on column reporting.stores.store_id is 'the id of the store';
comment on column reporting.stores.timezone is 'IANA name; null: none was delivered, so America/Chicago applies';
comment on column reporting.stores.labels is 'an object of names and values, both text';
comment on column reporting.stores.first_polled_at is 'time of the earliest poll; null: never polled';

create view reporting.store_days as
select policy, store_id, local_date, scheduled_us, excluded_us, open_us, up_us, down_us, unknown_us, up_min_us, up_max_us,
    polls, outages, computed_seq
from store_day join store using (store_key);
comment on view reporting.store_days is 'One row per policy, store and local date that no later poll can change.';
comment on column reporting.store_days.policy is 'the rule that turned polls into uptime';
comment on column reporting.store_days.store_id is 'the id of the store';
comment on column reporting.store_days.local_date is 'the date in the time zone of the store; it has 23, 24 or 25 hours';
comment on column reporting.store_days.scheduled_us is 'microseconds; open and excluded time';
comment on column reporting.store_days.excluded_us is 'microseconds; taken out by closures';
comment on column reporting.store_days.open_us is 'microseconds; up, down and unknown time';
comment on column reporting.store_days.up_us is 'microseconds';
comment on column reporting.store_days.down_us is 'microseconds';
comment on column reporting.store_days.unknown_us is 'microseconds; open time about which no poll says anything';
comment on column reporting.store_days.up_min_us is 'microseconds; the uptime is at least this';
comment on column reporting.store_days.up_max_us is 'microseconds; the uptime is at most this';
comment on column reporting.store_days.polls is 'polls that count on the date';
comment on column reporting.store_days.outages is 'outages that began on the date';
comment on column reporting.store_days.computed_seq is 'ledger number of the data that the row was computed from';

-- Outages themselves are not stored (decision 28): an outage that began on a finished day may not have ended yet.
create view reporting.outages as
select policy, store_id, local_date, outages, down_us, open_us
from store_day join store using (store_key)
where outages > 0;
comment on view reporting.outages is 'One row per policy, store and local date on which at least one outage began.';
comment on column reporting.outages.policy is 'the rule that turned polls into uptime';
comment on column reporting.outages.store_id is 'the id of the store';
comment on column reporting.outages.local_date is 'the date in the time zone of the store';
comment on column reporting.outages.outages is 'outages that began on the date, at least 1';
comment on column reporting.outages.down_us is 'microseconds down on the date, also in outages that began before it';
comment on column reporting.outages.open_us is 'microseconds; up, down and unknown time of the date';

-- An archive counts the rows of its members, which have rows of their own.
create view reporting.imports as
select id, kind, import_origin(import) as origin, state, source, size_bytes, rows_read, accepted, duplicate, corrected,
    rejected, started_at, finished_at
from import
where kind is distinct from 'archive';
comment on view reporting.imports is 'One row per loaded file, live session and change, until retention deletes it.';
comment on column reporting.imports.id is 'the id of the import';
comment on column reporting.imports.kind is 'polls, hours, timezones, labels, or a kind of adjustment; null: not read yet';
comment on column reporting.imports.origin is 'upload, command, live, change or retention';
comment on column reporting.imports.state is 'queued, running, succeeded, stopped, failed or canceled';
comment on column reporting.imports.source is 'name of the file or object';
comment on column reporting.imports.size_bytes is 'bytes of the source; null: unknown';
comment on column reporting.imports.rows_read is 'accepted, duplicate, corrected and rejected rows';
comment on column reporting.imports.accepted is 'rows that brought something new';
comment on column reporting.imports.duplicate is 'rows that said what was known';
comment on column reporting.imports.corrected is 'rows that replaced another value';
comment on column reporting.imports.rejected is 'rows that could not be used';
comment on column reporting.imports.started_at is 'time';
comment on column reporting.imports.finished_at is 'time; null: not finished';

create view reporting.reports as
select id, state, policy, policy_version, windows, formats, detail, as_of,
    (select coalesce(sum(stores), 0)::bigint from report_batch where report_id = report.id) as stores,
    (select coalesce(sum(failed_stores), 0)::bigint from report_batch where report_id = report.id) as stores_failed,
    revision, revision_of, created_at, started_at, finished_at
from report
where kind = 'report';
comment on view reporting.reports is 'One row per report, until retention deletes it.';
comment on column reporting.reports.id is 'the id of the report';
comment on column reporting.reports.state is 'queued, running, succeeded, failed, canceled or expired';
comment on column reporting.reports.policy is 'the rule that turned polls into uptime';
comment on column reporting.reports.policy_version is 'version of the rules';
comment on column reporting.reports.windows is 'the windows, as requested';
comment on column reporting.reports.formats is 'formats of the files';
comment on column reporting.reports.detail is 'whether the report has the columns of `detail`';
comment on column reporting.reports.as_of is 'time at which the windows end';
comment on column reporting.reports.stores is 'stores in the report';
comment on column reporting.reports.stores_failed is 'stores without a row, because they could not be computed';
comment on column reporting.reports.revision is 'number in its chain of revisions, from 1';
comment on column reporting.reports.revision_of is 'id of the first report of the chain; null: this is the first';
comment on column reporting.reports.created_at is 'time';
comment on column reporting.reports.started_at is 'time; null: not started';
comment on column reporting.reports.finished_at is 'time; null: not finished';

create view reporting.service_levels as
select name, target, labels, period, service_level.policy, first_day, last_day, through, as_of, state, counted_us, down_us,
    days_missing, evaluated_at
from service_level join service_level_result using (name);
comment on view reporting.service_levels is 'One row per service level and period: the current one and the one before it.';
comment on column reporting.service_levels.name is 'the name of the service level';
comment on column reporting.service_levels.target is 'the share of the counted time that is promised, above 0 and at most 1';
comment on column reporting.service_levels.labels is 'labels that its stores have; an empty object: every store';
comment on column reporting.service_levels.period is 'calendar_month, rolling_30_days or last_12_months';
comment on column reporting.service_levels.policy is 'the rule that turned polls into uptime';
comment on column reporting.service_levels.first_day is 'the first date of the period, in the time zone of each store';
comment on column reporting.service_levels.last_day is 'the last date of the period';
comment on column reporting.service_levels.through is 'the last date that counts so far';
comment on column reporting.service_levels.as_of is 'time of the newest poll that was known';
comment on column reporting.service_levels.state is 'ok, at_risk, missed or no_data';
comment on column reporting.service_levels.counted_us is 'microseconds that count, of all stores together';
comment on column reporting.service_levels.down_us is 'microseconds of these that count as down';
comment on column reporting.service_levels.days_missing is 'days of stores without numbers, which are left out';
comment on column reporting.service_levels.evaluated_at is 'time';

grant usage on schema reporting to uptill_readonly;
grant select on all tables in schema reporting to uptill_readonly;
