-- How many rejected items of each hook a day's import keeps, so that one hook leaves room for the others.

alter table hook
    add column rejects_of uuid, -- the import that rejects_kept counts for
    add column rejects_kept integer not null default 0;
