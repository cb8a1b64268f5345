-- The daily facts of a store and calendar month, added up, so that a year reads twelve rows and not 365. The transaction
-- that writes facts keeps the sums. `store_day` is the source: these rows can be computed from it.

create table store_month (
    policy text collate "C" not null,
    store_key integer not null,
    month date not null check (extract(day from month) = 1),
    dates integer not null,   -- which dates of the month have facts: bit 0 is its first day
    days smallint not null,   -- how many
    scheduled_us bigint not null,
    excluded_us bigint not null,
    open_us bigint not null,
    up_us bigint not null,
    down_us bigint not null,
    unknown_us bigint not null,
    up_min_us bigint not null,
    up_max_us bigint not null,
    polls integer not null,
    outages integer not null,
    primary key (policy, store_key, month),
    -- A date that is added or taken away twice breaks this, so wrong sums are never committed.
    constraint store_month_dates check (bit_count(dates::bit(32)) = days)
) with (fillfactor = 80);

insert into store_month
select policy, store_key, date_trunc('month', local_date)::date, bit_or(1 << (extract(day from local_date)::integer - 1)),
    count(*), sum(scheduled_us), sum(excluded_us), sum(open_us), sum(up_us), sum(down_us), sum(unknown_us), sum(up_min_us),
    sum(up_max_us), sum(polls), sum(outages)
from store_day group by 1, 2, 3;

grant select on store_month to uptill_api, uptill_readonly;
grant select, insert, update, delete on store_month to uptill_worker;

-- With the times of a report, so that a few days of each store are read from the index: on their pages in the table, the
-- rows of a store lie far apart.
alter table store_day drop constraint store_day_pkey;
alter table store_day add primary key (policy, store_key, local_date)
    include (excluded_us, open_us, up_us, down_us, unknown_us);

-- The first and the last local date that a batch of a report took from facts whose polls are gone.
alter table report_batch add column facts_only_first date, add column facts_only_last date;
