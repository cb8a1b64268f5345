-- Names of stores, and files that bring names, labels, zones and lifetimes together: imports of the kind stores.

-- Not part of a data cut: a report at an older cut shows the name of today. Not called `name`, which statements of the release
-- before use without a table.
alter table store add column display_name text check (length(display_name) between 1 and 255);

alter table import drop constraint import_kind_check;
alter table import add constraint import_kind_check check (kind in (
    'polls', 'hours', 'timezones', 'labels', 'special_hours', 'lifetimes', 'closures', 'calendars', 'stores', 'archive'));

create or replace view reporting.stores as
select store_id, timezone, labels, first_polled_at, display_name as name from store;
comment on column reporting.stores.name is 'the name to show; null: none was delivered';
comment on column reporting.imports.kind is
    'polls, hours, timezones, labels, stores, or a kind of adjustment; null: not read yet';
