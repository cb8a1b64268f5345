-- No foreign keys from hours and former zones to stores, as for polls: only ingest writes here, with keys that it has just
-- read, and stores are never deleted. Measured: looking up the store of each row took 60 % of the time of an insert.

alter table business_hours drop constraint business_hours_store_key_fkey;
alter table superseded_hours drop constraint superseded_hours_store_key_fkey;
alter table superseded_timezone drop constraint superseded_timezone_store_key_fkey;
