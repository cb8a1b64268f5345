-- A report made again: at the newest data, or at the data of an earlier report.
alter table report
    add column revision integer not null default 1 check (revision >= 1),
    add column revision_of uuid,  -- the first report of the chain, which may be forgotten; null: this one is the first
    add column pinned_cut bigint; -- ledger number at which all batches are read; null: the newest that workers find
alter table report add check ((revision = 1) = (revision_of is null));
create unique index on report (revision_of, revision) where revision_of is not null;
