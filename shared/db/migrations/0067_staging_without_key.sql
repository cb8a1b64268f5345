-- Rows wait in the order of their `position`, and no statement looks one up by it. Measured: the index was 45 % of the time of
-- their COPY, and a fifth of the log of a load of hours.
alter table import_staged drop constraint import_staged_pkey;

-- Few rows are staged because they were rejected: several statements of each load look for them.
create index import_staged_rejected on import_staged (import_id) where reason is not null;
