-- A login with one of the roles, and nothing else, is enough for its service: each looks which schema it has met.
grant select on schema_migration to uptill_api, uptill_ingest, uptill_worker, uptill_readonly;
